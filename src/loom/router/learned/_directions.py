"""Directions in which prompts differ most, made by `python -m benchmarks.train_topics`; do not edit.

Eight rows of 384 signed bytes, in base 85; then the mean along each, and what makes two standard deviations 1. Taken
from prompts of MMLU (MIT licence) as the RouteLLM project (Apache-2.0) publishes them; no outcome was looked at.
"""

from __future__ import annotations

DIRECTIONS = (
    r"""2jVau57E#Jw)mSW4&=)m(<b=2$!jYoDGu@E1ZM;8DF9c*@&6e@9TOYt#1at;3nn=B60yzD3jn(xIJ+9drBoLqG5!$=41XIO0XrD&"""
    r"""?hYXM^2tgPDD6Ecq|We|FT)=E7CocZrw8408V%M##L&zC@ykri%;TTJE=2bL<v%y#-|jrH1H=tBCBymY2DE+w<bxwB{shz}QTQ7O"""
    r"""4AdjHIu{H8WB)ksC}7nTNzU~6(#z1x#ThQa+8y8?_|xu4{}(6z-q#=h9Qjx7^1mzDWbe~t0PW8m&KlVO>;M%s*76ZH<?=rOH5tnk"""
    r"""<Q?VH+8Am%($pav9|-d86!tU9Yz4{bsWaljE)dDx_!vP41L+X>=NmHi2oK{RdGsOr1{oJ2=nv)AIxpM`PZ%b(HQYH($3x7cyAJFC"""
    r"""B@p8~P`v<iIg}jP-b4De;5Z_@+5!dZMa(hlXpg_jO56_g`oH?hktPbl7w6DT<|-~C1lY3K_pbEX(7Pi36oCQ(3-a6*DEsrY<_i4m"""
    r"""-24FE9R48${{RsE`sdvR0Mh{m*y{cm?iDN}DFV*#+!y=P$1D;PxX%pl-3Sog^%NQw7ap|_?fMQM+qvr-87(9x2_OLggZTP8!yfM?"""
    r"""MC~@V1LY1Y&=VaF84?Wz@BHB3Iqw2l%H2%*AR65OAJjDdwEF1m1;dsT^GycJN%-*J>k$CmYYpuD!tnmYnD*)K5hV=(Edk`_TL2O!"""
    r"""CE6SZ1^W{S{qE0B@$(VLJVvqL>p}9kL;N`t`u5Bm{S?aM*8&s$8`}c{4&lZCDJdK9;Y>ao2nKE?v#9JK-9sJq<0SU%F#y>qIUxfU"""
    r"""F7Or_y$K5t;TjO}D<2apx*r|W&GR)R@f+*a)4nsl2I?Lr2L1O>H5%C01o<=;%U=A;?h*100O$1x><d5uRnip#3N+hAHrpaD`34^}"""
    r"""zYinD;sxCk5$yi(;>J6=Eb<K@|M|*M9m440*WN7~_5a-m^5V`k&G91-5()wc=?(nG@b2gB<N6urEYjx$$?@vwEw`@=cKr)P70=!K"""
    r"""8wow!2EYsc5bhix`avK#Atg3Sy!-$M>f$8u5Cr`4Ai&)3tj+KO?WgAF@-OVj{LJL#<P-iAf7~1dD;3N)FbPTzB-jYd;TQs2A0Q<5"""
    r"""=?Ull4dU+J>m=m@r5iZ_z5Nc^>c#m%s3Yp`>HJv9XX+~J@8|>%Mf3vh`T0ocE-V`i^7tAH_}vTt2Ji<?RT~NkyGB3e><0TQ%Nr>y"""
    r"""&_oDGB^U<cR}&yI_9Yciw>#ne^86hIHt)~>?*ldf5JmIq!SWrh^A*(+`|<f07~cpZ;Nlo1_Wr8;B?9lg1~aR&An!sHD%vJF+3yC{"""
    r"""4bS}t1q{__6>0?P4;?uK^zk9+{LbtVC+^%ULIxZT4@%hl4Dl7s6$$AyLF@zo+8pHl2i-Rb67&_)r~Iknu+s4S<|6nK@(2FoJ2CG0"""
    r"""7yJ(T*dFBc_V32ZB@eIV487>^_X`%#;piL;ti=Nl`SS?+0tq93{^1QD12W_EP5bK@3J2x<5C8WO<OmV(*4ZSzvijO21>4^e3G((L"""
    r"""MKSOC2_EY4`wZDG$N(Ar76=iiaTWFn^#nj92=HAK0=w@14(}#N>?0Eh5AxIf=HTz`*$wUl`WtNj>ls}+JNyDL@D%(72K@Eg%I_-x"""
    r"""0uK1<A~yjgBOT+=B-*+XGCZpl5xf6c<qFX-HQ(R>CHU(A1WhLlx(W*l(Y3_b7613){6G2|G08P0Nj>}S<LL#k`ug$zSK{~H;w~T3"""
    r"""E72(r<O8Smw<bjE;6qUW0VgNO4F)~#C=D6_sr2$V-Rj;A{S;bC5$-AP2k6=U2^{;%1JL5@Tmlv8JNFZoNFDCk>|fOg^4#YA2k-F6"""
    r"""@%skdH2Mr2J-PJ2;{fmJ@ErdJ#oajKyCDx=|NIgF>&)lO7VyCMB-0|?_}tUv%P{@Y!}kqd8~F}5<ml!ANe%AAS|i#^&aLI~^3&(t"""
    r"""6wNWr+WhZ2`SH{L)(rsx?Irmb!^{)$>EZyw_vy+E#ts}G=Q$7fBnA2@?fVzs;`8|G^ad*P93vkc=P~OpcmyBk^a}nM0redG1Rpr|"""
    r"""pu`T_H0&5QEAYk;1mV#c-rgJ?<0}0?;@#cx2lw*o87<iY|L7t5Kt<sh<Kiam2NVMt{o%?B^bq9_@Dxe_KN$}NMgtWE(+&KL)v~G|"""
    r"""6SDB#;5+E)-aP>BL-^g|B_<`@8`#`AINR~xvhLg;IrIzx_dVMFIr|$VG#*GO{HFyW-xBiYG~gfv6y4nb7Y6zg*bwXX)&%_z3a8fq"""
    r"""8{Z@F0^0U`(BT^t8PZ%B4?hPG=(YRK2N8b|^BL~!JnRAn^ye4A{Qes|2OHNv^djQx{Oc0p&>|`D<jnlz5H8~gp(q9-^$;Bj<pVk4"""
    r"""0{i$PQ{)0f_xL&+AOsx%{XM?G4G$;*5AVPHI`j7O>(~+m*WWhz$o=gK2G;`j-~RR)_VobX1=jfB@f<<;{T>1s2K(N_=kp^O!3Ope"""
    r"""H1Y-_$=Jw9-TL6;?+NAl6Zh)o$H_A8IqK&J)gm=4SlG}0@F4vL<`@n8>dgB2DjOIPC!{JVFX9a*_v!QO5%I_L%INU?1H(S(|MmD7"""
    r"""GXDhq@dZsP9_88un-$R^(E{rc@Z(Pe4eJ(2`0&>3+d2@!{pI&8Oauq*>JlOV?H2(l6$lS9BLEd1;wB8`>l)+w$<z_xFBI+_Ec^!}"""
    r"""yMe>$P5ciV@(l$Jv`TXK`T(yY*cbl?MXdty4gogX4;ou4>{1ow*1Gus8W0!zIR*Wt4-y|D_3H=m3L5PI%R&kkG4l^520Ps*Iu#$}"""
    r"""^YsJ16$H}t`Vr*M(cHw;H3#-Btp*POCCu&6{s|uFGBPYO&ilms0QTz`*#HP2)&DB8&<gG@JQ2|a=@maF&-g&))!E_{<m}`S>(ToF"""
    r"""^8oq@D;oGF>Nw!(15D}PI5-aRQ8G;1)DhT7&e$sA-4QVj#}xxC>f8Pi?<3Ou3i&%O1@|`7<@Cld<GqIe&&c^C4A$uxDg+iC*faL>"""
    r"""=Qs`dIzG_&$l1kA9jNQ|{L>qM!nfYwJ<+Sx0rE}KF$m(D5bx<(<>d3}O$hM_Gr2B2-0@to<QnZc79RmJ6B5+x%Njl3B^&<#_wf4y"""
    r"""<l+F@)dEA@KiIi8969GI3M%J#&!_Mm49v><+zj*p1OwyoI{@<Y^UTl|;XBd2!~tU-z!(SG*Z0`K@dZQV`xMe1&Ait{-wf^!3d##7"""
    r"""#t{$sI`z`t4#?m6>=O226b~Ei(gOD400i>uwKCc$I_xwvzbG6KCP_0QumfZOJhl@3|0&ei-uu=+@aYoY7xggQ=1u+(BN4z$(EZ&3"""
    r"""(f$)l(GDp9Df&VNJlW~LR~t%5`sVHxALHoY^zH-k4=XXQ9rG0k75o@8!p`is&Jje>IL(kH0t@`O*%uxFAKf$d^~OgxP)5c;SWWmW"""
    r"""`6j~Vxbfv98j&G1HQWy-ATr(x7$L*%+aUP?_a^xlBKA%ECi1nz@!>@ssLXus+UEfM>=|$7SMl5s72Go_4`J5l2J!3$4>Sz$1=0ix"""
    r"""2owPi-WVJQ!y)PB^8gg!`Kq-Ixw->#Jy;6lE#U(j9VX-%>>lb97SBHV8o>N1qq?^p$K@L44hPKJf%LuV>gM(uDtp`FB<>z5DC76Y"""
    r"""1PK8Q*c=GuNGT;fzsDK?;ye+~Dck)Q@iX*9>N)-c2gfVN>l*6v>d{m70}R|5{Y4$w+WkSo*YW((z&G;|76mobX+HQ1777R6*%1Ki"""
    r"""^a!Q-K=tY&489t_&EyCcDDd#c=LGt?1Vi--7V-c91PAs(?)l}w?+Fb1tlj_C`T-IB7d!Ly6!S?=7daU09sNBWJRRB?$_E?BJ;d3}"""
    r"""?;#N4*5CCbBnCAA|LaE{0Qc`3*ZT=dIt}XS=iJi$2QelV)z<8M+38g^NeKr4ugDYdWhExe)RHITvSbnkAh8k}CK37m2inp5ASe?r"""
    r"""G1Mvc_X6ip-vH6(69y&P#!C!1>gos2)bz~a7)Jl)"""
)
# fmt: off
SHIFTS = (-153.705, -19.7412, 22.2016, 22.3238, -47.6796, -24.8117, -13.4925, 2.15955)
SCALES = (0.00205245, 0.00402236, 0.00430265, 0.00461063, 0.00517713, 0.00534419, 0.00493275, 0.00556472)
