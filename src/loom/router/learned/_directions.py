"""Directions in which prompts differ most, made by `python -m benchmarks.train_topics`; do not edit.

Eight rows of 384 signed bytes, in base 85; then the mean along each, and what makes two standard deviations 1. Taken
from prompts of MMLU (MIT licence) as the RouteLLM project (Apache-2.0) publishes them; no outcome was looked at.
"""

from __future__ import annotations

DIRECTIONS = (
    r"""1lBhO^dk52$Lyag&ez`)4@(N+$X!Vo=j7+~1smSwPc8)<?lBK85;+9@)$Ro4{01TmQt<)uMbXvo6!{?y!Yddk@9GTC9x((V0rV+4"""
    r"""&=?yq@%l90_V3{0yXDEh@ZRP25DY-w+~oZo+ttzc%kU5j{MAA5Kkc#wVq56|DsLqI>;Nmu*!c@U?B%rF!MbzU`X%_`=K9_aD--og"""
    r"""{<`wa?GY0}WBm#IvOEFo74Qq{>BPnL+65cI&<Xfm3(eg+3l{qD=eqX=3C|N5+`lQ*Rp=2B(yRsa(FM8yCAcd!>%;SZ+u!j8T<seN"""
    r"""+AJ5^7V-ns7uzQn9|6I{_}u^W3kS(0-Shz10wC%M)gBW-4e9_2=Nbt5`xMepW#b9L^dko6+cga0AkgmnFVi9UXa3rI=0@wz*#zJK"""
    r"""{N?Z)Dc0%+><JeB3I;3d8$%QF^$k(A;sOoP8sY>BNa-JK*1+}a=Sdj}|0d@#136_E`_GpRE&~M2@(?5c0Hy#A3;^&BG4t-S<oyrY"""
    r"""zYp`>BnBS>?+F|89lqKR6!QKT<>3tr>KZpAIPcr;+ydy@qCpcDzsm^h@c9Yk{t+Y)>^rXs?&l3E(yZAg3q1!l3n}sPllAf=!xaG<"""
    r"""Ow~Tq73&Kmy$BWl1QYSy`0nZ4H}eNa%jrHH9vQ&^9``xpu<73K^~{tu20sPIIr#wJ>pAtoVhIJ~v-%X%oC)#u@+T4fHV5$Xe+?5a"""
    r"""Bi17T1@9^X*$~B5;@u40JWh_^`!dzcITtY#@6gOX+Y!sw<o6rvDa-EdCCjS-H~9Gm%ta_C_6~3n$e8UL=}#s7<}vf<Fc8`nKs^cp"""
    r"""5$FvF@CN-J+8Qna5)lwbnGqbs)742d1S;&=>Ci;TBIO@6{sQ_v7$Mr-Ch8#u=4JE3{|wz24e{j-`2I!!Pt_9^3LDx&9o;iG;{Yx;"""
    r"""-3TAD@d@Yc3HA8L?%F}VE9mth0{hJ}I_3B2=kzif=km}C|L43q+ypEcEGaYo;Mw}Z3;Mql*X9Ht8|cgf`3d#wBihUhbOH-93gGPa"""
    r"""9QRSe^33%;4hkY4@fs2-6Es3V?F;nz3*qt!4fhuD5DMh*{<O~I=FK4n@-Q9Q{^jcC?gthmf9x<2`v0^cEapS(7Vz8A(F{dh2_G#a"""
    r"""@cZ%m0qim93j@*S$v-3j#VrZn>C_7;upihP0sJVlUH&lp`ndcsI}FYkCG{))7zPLu>n>6Y@9iA};^+P&Srqo`usa&*?(rTC$ubWU"""
    r""";w=amEC~JVS?3oH^AtEpt^)w>4eS6W0qf%M+Bh@-2t6Fy%;!SB5Eknn-TV15-_r%`3;Q=j2<Nm4JnQMc6G*<BAM+6zG4m1q`vD`e"""
    r"""9OVcI`$5ZF9b4h*7$_g{1kpdo4C4P9HqFD!E)4`86GZs&{s1Kb?HJiS9sKqH;p6856w3J$5a&{}qwTTHwh#X9&msf|5Bdx3O8L+G"""
    r"""TLJ{~>>k)G(An3{4+x#^5XBPW&-CdF=F9~8qTTcj60P|e{nF%9>*?(d;ZNitObiMX^dcYf>InP-!W|9!-?jePs{!LE7WVf74d~ne"""
    r"""RT%ZfEfo0i=MDD{?F%B{^ce~1e+~a46DTVs2+}Pm5C9|+`3X2(xgGf++urW}@!rqK<naIVC@((~{U$d?5+o864+Z`?{?{MN6b}Xf"""
    r"""CJOuz6)+Y2B?#u&1PQSQ0v5s<<<;>s;~~Kx9@fYA>(#~bDmW4&<_7->&e7=B=->GS5E!r&NTe74M-&Is{N4D&+Y<uTEWZ8S2O9pz"""
    r"""PR}O+(-+MG#uz;7&Jq{^0vJQpAqOQpBJ469!{{0@$SM2N_8>AFB=AA)5B}&FJnthJyxjEAC<5@#B^(jf9!DDY-aQP|<K6WC*xb#%"""
    r"""@*EY|0t)~>H2ny&z8Vzq%=#(n^!^z-x&;^|)*2xI6~*n@=`+C@Dbxb&ISJ?U`bG-T)Z!657~cm;;kpOf5gQivJ`e0o$D!-)%;g#Y"""
    r"""APYA8=H2uq^85M(-4D(K>^k=c$Gr>B#`XN73D({Hrt}sL^9&37Kk^ee<p3M(?eF)=8~HNv6DLR{<SybYdi*#P<<=Y;4(~tz8V)$q"""
    r"""p04TB{qO=#8?nmo`S-2@*u@qZ>pk;33dGdy?jZCBD@xTJE#)NhKV$As^6ena^dIu$3+kl*>LUFh)iX-~Dik31Gw28`%?<*nxU1(1"""
    r"""OsnwQ;}!AI3QHRDHvibkCoe3>8Q;b<GvNE>u?!YGWBTtJ&O!CyH~$<R6%Sz%`py<T&NU12F62TIGv(+38!Fr9#S8%t2Kd?uD3Hql"""
    r"""{V*H-6xs!U-RLJ0E#6)h7cUwF?4|1A>>+jj=oS9%Q629D?E5;+<LwYO@DJc$^9af4=IaUV%wIC~&)yf~>KOp~h9&4B4j>a80UlTK"""
    r"""5ES7PN8ScG{^>p>H0>w=`e&xe5-BnP0_MT*B?sHt-@+OX1ol1AyBgZ|2ipeev*rF2$O#753E}3<`7b)?-51_57WfC6$m0$Y!NkEC"""
    r"""IN1#e|M$Hf@e;@H^AsKKFvaM;&8bZ7AK3Tlz%v<9I|ID_7ZddJ$Pgs>5X0s0-V_uk8mdtc4DJ;j?BK@b3JbVKz6QAt?d>=71pW5&"""
    r"""MFtrG8Tcb63gFxpxgz}}-}3Dk6Ywhf`tJfj81Kgq*B1Se5*-i~4I4M?90ltD=@kwu<Ma0{HVGe3-5_M*-!j|+?ye#2PYV7C5((G@"""
    r"""sENntFZ}lH{2=oR>Tq@D`R}_R%<C)vDZU2!_sa&o5IIdS>{K`MrO*NgH5@zQLK@?j9{xxw1;*X!F%{bY!bkKuC>RnXJ2C7GFfH`G"""
    r"""0odl=6$-W)=nJym*y`-~A_?|1(KZh!8{eS7$N(1r4HqQ@%j4Do1^)9J?EDfl(CaMf>;dT>H7CvgC@CyA`UM*K$PonL0QJ%H;_~MJ"""
    r"""{2B`~7dp)x?iCi{&@}J?F+2+XV_hW8^D)^l<nRr^q7p3$y!j6s|M>eA;}6&K_7VRo0Qg%H+yBZC6sLg&`@!%F1hlsP_5mK`=?>=Q"""
    r"""=JhAo0~G-G%*fA9_SEzO;?*EU>%s`_OwsVf{}mts2RI<HHT?S)wzLloEeP}f>)iKP3avn=&OWp%95U4VD>o+Y1tA#I3ji-SBNX`-"""
    r"""6b%d2y397(2=$sFEELH;)b`98{jTgR!`tW7_zUa+_2BFiANc&~^{MdNx&|P`^7}O>y9y-T8y?f&4i90~{^iv!?4qJY91P<Q9P9Z$"""
    r"""{Q?so;RNvI8N?4D<{|GT87ONkuLdW?4<QFB?K|NlHWMi`)GZiIL>&`G(+Ls)B+)AlBO&<d3mfVgCJ7GnMFbMb<qg{d^C*}x&*cIJ"""
    r""")ByrAtQbGX68hyT0SEW;N%Kiv|Lg7p5Z~0z@#PEr0wXir73&-I{1yvZ<nJZ}%IzcfN&~pWCjZKr-!UZsS_(N6!nHC@Ls*$dC??ns"""
    r"""_bu!Cvj^=92)sKpG|KVj4Ke8l=l#ad3J4eg;{W9+ClD?LCJ?*F>c&(WvVl)F>(Bz$=>$%q9^uj9|MWgiT1y190rcV(?<o@<-RI60"""
    r"""4fFFy=lBm2&*SRJ{@&}=GP|qm$GZ*%_9-saK?o@q;RL~R#_19IJ2ChSG0xr@-|yx*up|!H5dG>8M)v#l>$STBDMkgSH1hokQT^8Z"""
    r"""pz+=I9MJIh3;t0PB;OVQ@JAThJ_If^#1i#L(SI5lAEX2H;5GLb2)0Dy6#3J`6)D;JyV3^T%G~l8*FWMO>+B2;P&L)5M)n7(!sGn~"""
    r"""@Z0$VK>qOn9Sh_6q2~f9Knn~S(nJl#MQgS*_UtSG5fTFM=Hu;%L;2zp^~4hS0qPs@<5J!p6#FM+9TphzJM1hz+yL-9`_kh3^xM<7"""
    r"""@E;i8xb+zj3l1y%_7Nr>#o{sn)ymo*Gx`7w(ewT9Pw_ZE2Qv42@fK1Y7c=Sr>a;8E><IVm3kwJBo=of}Bk&L;`xfmB7stZhL{t?J"""
    r"""787It>iY^T@#Uc5;O`T~^$7mS7y%sC-WE>->lNz<"""
)
# fmt: off
SHIFTS = (-151.01, 18.9439, -47.6352, -67.1933, -31.8476, -17.0177, -52.9792, -59.1899)
SCALES = (0.00245801, 0.00381612, 0.00422149, 0.00464066, 0.00459891, 0.00503259, 0.00517889, 0.0054215)
