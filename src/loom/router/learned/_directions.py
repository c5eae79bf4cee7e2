"""Directions in which prompts differ most, made by `python -m benchmarks.train_topics`; do not edit.

Eight rows of 384 signed bytes, in base 85; then the mean along each, and what makes two standard deviations 1. Taken
from prompts of MMLU (MIT licence) as the RouteLLM project (Apache-2.0) publishes them; no outcome was looked at.
"""

from __future__ import annotations

DIRECTIONS = (
    r"""6!-}>J2KS!x8>38{>1_dzVQjXKkyzVXaM0T7Ble|{njq<1xLOt10VYX#Ro?G8XHE<2g>sF<$<!_&hF^<`_uH=J>)7C00TQ5zy%5@"""
    r"""Fy91A#_$vPm)8v%$Q<U`CCNqd?DRh;rRf$@6XXmQ5-+It!nF$VMgH-eMq&a0Djy@`0T@)%;@5;a5z-aGEizu$?D+%@UL5u+_yY*^"""
    r"""&<G3hF69i)PVV{p3@gSWEDsU%&d(F##2ErA03jO{WD@H5^FA}=8u1(a8{{29(Z&_y@gWrp%)ig`$p9Dt`0^d@2o2{o@X8-VA;855"""
    r"""6%`LIKmrKyA>I}y>hjs|DLm5uSQ6?r?)o(LOgi}m9v4t8+xig@#S9427X#ZKY##s-<`eEBAtcTs_vQKz@CDz=ZYuK&3pTiy00#R2"""
    r"""8XvypG!_#g7s?n2>PrsP_eJu%*9_?g`oj9fV#U(SM$RxW9Q@_Qy6pJX66M|+2@omu^`eLd`o`$`$;MY*)qevI1^yN8+W87eCHC+I"""
    r"""4HE<s_!{5x2l(p<6%s80_#_nh8w&vT8u;Pj&jCRjRQ4quP08fvKo8ytGwkyW0qODR`R!fu5e@qZ8!Z$4*xBFk_t*^)e)JH|9N`ek"""
    r""")d<O3@*?%aE9dP2;OGSTGZPRez54x*Hx!xx_5~~e`asz6Py-?M-ZxSG7KZaDyZ=5K590C`jw1^ZQWXe9XC@pE-|6)b`~@!#o&d}1"""
    r"""+#>Dx?h)wo><~7=4IKeb*1a_r62TEY&F{_CAp=eI^T<OSDDKk`z#RAf;0rGR$inpu5wFM->*t^3SV$r4DcR`-Iph}-*8Mohwc`uf"""
    r"""$S3I5TN~l^5b5;>?DhuHRO0?GHVe_h3GojkE<eIIA|&15>lhZc!Rj3&0Sw0HF|-CAK=cX_@;dtS9Qw!rqBqL!{=qD?(+Kg;3kBuE"""
    r"""NdwI=0`eo?@dX72JR`k2=ndoX1`sWrxI!QqD>ljT5fmTw0Q?TkFZ<!~*54Zn>i!4C*4Oj?>;eMmCF11`*znrw9@4x3f9nq}1m5KE"""
    r"""9t%0v{lXCf73&%n{XqvkD=95FzW)Rg=IST#4FwPJ5Xj~Cl;-#h^2Oia5H0M`_}A*{<P{DicjgKNCkEgzCJHJN66O-O?H&4B7aS?|"""
    r"""<OlNn9_8-k*)87*qy{|z!2TKK?cMT7v?BZF=l)0BTG%1t?eqo@E$aX6749zNI2IBC{RI~k^WFja?gAY?R0IbS$wM&V`}zbY)DkT-"""
    r"""w=e`!8z%?cMg<@@{woqN)<5M1{{a&VK>O7L@$xPJ4M+L^%<>n}{2l5I`1Sz_4A}}4#_J#>@e#fK7Y6CN1sB1=5aU4qBgq;s;O6?;"""
    r"""5Z>|p2nEkx6k#0s0TD6;=JY4y?a$^7AnxQWNCqnb5=86*{M{AP0TuB$J?#(x-y-4r64^HxANmH@umG;`s?!1R^&=1r>=z08BQyi-"""
    r"""0Rso>&>Qag`18fc5)8%f3c%{}1q~Uw<MI{`va|UH_y-jK0}3~34BQ132Px?8Jpl0w2NwAE8vgtf-v$NWy5J$I!VT^z|KR5y1`Omi"""
    r"""Iw$Px1tsg@?i1iQzzP)u5f&1xe<}MH?E)eu3+YM@@2Kns9PblM%@h^;7yIS%`|0HE;tlQ&1~p>r?geHwMegY^{2%TK@d^#>(CjDx"""
    r"""8vh68FemUIFAvwRF2%nlN-?Dj7RB&d?iK1cJmSdqEEoCv1yB|g)A|4Zz^SF+67CN1`$q~XGtxdwP)_#p(%<v0`}5!cXy*ak;~*H="""
    r"""Gs+|u)CH*KrV%pq{UtpB_9-9900l?^7XKylm*fCL>;u;m|MOEc5%fy@2mI;y5gYK=1>)4|RtggRHS!3;HxK8<?N#6V?cMDI2H5<}"""
    r"""{PgPiF8mrHHpKnW<O=NO=OFAT%iu`V#33SJ5dahb{ny{a9rMHUBe*E&>dV&p#3%vMzWWDX77q_5>GIj}JOAg(TO7_h%b)J{{>|>v"""
    r"""3)vsk=m+ga?%>P&-W3uP;S}Hq%hDga`rh=m^5o48x%o93>rx5y3K<C$`0xPA&>8;x2Ld|i93U?#|4!U9R_+tt+d2UT>j59}0U|d5"""
    r"""qTVa@JnI20H5#ZF{NA_>%lIoJ|1i}*%iPuRG2;;AIz#C93g`&?E>z6=_T3oq^z;T97xv{5&K>Is1q>hnMiwFw8v+0A(hmHe@4u`j"""
    r"""3YzTS`B>!I-82u|IQ-V%8$&tS1lQIhQs?5&>E68`Jn<^>1SR46BrXvwClDep`>xI=@%!@hJN_LO8p*u@{t^Ex*9qqA)%DmAAC9vC"""
    r"""Grki0`Q-L>$nQe@Bi36R3_}MX-N5S11Q>r54KMlu9nu5=_WdBl*c|>)=O4>uy$Z+C2+2O;(knCM>&6b?AuZ2Cv?vxF&m<}d0rMx>"""
    r"""5%}agZ~O>68ShLBC>b084nNJ(?FJ?A6x_@KG|&_h<HZvN%E%c2;|J^G6X*2s(dyYG{o)6@AMFR+^$}AE^eEB|5)IVZ=l@It@F*S="""
    r"""*ZJ?(MmQzF8yFNE1_m?%4hjPpUjN4x&;1hu9K^cgz8W+l8s7B%3GUng9vv$1snOZ?#6jWa*cI!~6cykkA`TiL{}dnd<|X0({}>GO"""
    r""";`q@I`uMQ4^coKOV*4cl7T+c74<69^`~B$FEhHx(AlvRi_zeZq$pI1s7xmHr`QioJ@%`=M=@s4(4Gk;=7Z4&0G%NWV<jW)9wFv;="""
    r"""J#{E7l<xV_<MsLdP0*wZ{0~y=KhPcbyGZK~+4{#K{SBkS8Mp8v8chBI%Mb7q#|8OB-vj^FC>iSm<pDkbFU<1s=_1>U3(@=S$?wAf"""
    r"""80G|10Syl&4({GIF&QH|#sTX1Ne2HK@*xuz{@3g7-`3{oBoZtg5e^yRC?Ea`7xd&YJ>mh=?(--S4A`&aJO0-mAVUSuB^w9f87>0="""
    r"""0RtcY!0;5>2Hq1M>F5s?)!Wz<#pbCpHQ^M$Nm1b_9_;e>H~#J44lD8cBIpYM_YKv=`}o@{7!V@OCpUiu#>o>O@67ceLkc1U+A8Sj"""
    r"""*;y4FAXeGy+|}G!AEX2T{NWCNqt5N}9N@g{1_mA6Li*aC@dy2F|NZ;uU=H%}AIL8!?j1AG*z^A_9T)op2MELOu^l%BJQ&>S!rIC3"""
    r"""^5*~Q*b6Q2O5nOG3oYjn3^C|o*Q)Xz6x`Agx9}wZBJ%0^ZS>g!2i(&C$~M8l&;UXWyAk)-=lI>i1OFe`0t(g!&BfD6()9N8-PSKS"""
    r"""&<YXsN(;s9BdF074jdg%5!VOZ;{x8;_}u{9pBv2pOz#mBza9?k^iU2h&=Pn6C(#e=@HX7?)&s;z-RBz37Z5Y#=SAuOEiCYOycpH>"""
    r"""?eHycxfu@lHVbMESi#xJOg=m~?&A0p9M<^a-_sfH2N))r6!ar0808QSx8MK4swrjm?VY4K_x39M>Kz{d5Z)@+H?&ekOeMThdSeqo"""
    r"""{1LqA!|wMW6_F4}E9EFb6Eoil8X&+M;1})#`ZO2~1o$=;83D<z)aOPvm;g%d2s{H52Pb6EH5V$k64pI8`zqP_{<;+RIxh7T8O0ni"""
    r"""4Flfb^C}`GyetUo@)iX0?yJTamBj>OH#i#T8uZO8GZf0u2NoSf6sauT0oLIdg_5iO-`oKH&;hvFn+C`j?Gg?XCROMJ8SxY!KHKxA"""
    r"""98U)3tuX-Ze@a9q)59qM1snI^RKw*Y_)p0h;1~)W@BY)c+(+U2{ljD3&JN-X@<tusDdIcH*6th3yd41m2q^{TURN4O7%tfe1|t-~"""
    r"""FcQG^Q~LuT{-_Pc{r3nf69$~4x)eE`_%9LQJFf)*)EM$K`|$tA(hueu@5%GVARZtRJrLR775PLT^a%pmHT@$GVjI*Y>IoUdGurj+"""
    r"""=NJ+I!r<}*BLg)T5d$7O+W@dIwgmV@Pwe~s+v?rs(GUV5-QNH>{oY7FW8mKaw-OfSYHBgUnw}l#w_qRQLzoZ~PAu;o%n-i+1vCUH"""
    r"""{k%>5^A-I!@W#sqK@KXau`K`;&*>P@`Twy0U2@|9"""
)
# fmt: off
SHIFTS = (-90.8358, -19.8511, 19.4682, 25.8329, -49.4033, 62.0812, -4.40422, 66.2432)
SCALES = (0.00216573, 0.00376572, 0.00481927, 0.00453829, 0.00483684, 0.00545317, 0.00489691, 0.00485425)
