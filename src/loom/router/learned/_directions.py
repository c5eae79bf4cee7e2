"""Directions in which prompts differ most, made by `python -m benchmarks.train_topics`; do not edit.

Eight rows of 384 signed bytes, in base 85; then the mean along each, and what makes two standard deviations 1. Taken
from prompts of MMLU (MIT licence) as the RouteLLM project (Apache-2.0) publishes them; no outcome was looked at.
"""

from __future__ import annotations

DIRECTIONS = (
    r"""6ygRU4mR%u-{R8I_pba7!1n~W8Q=sNNdnj=ITY?2`1TeB^*PQO^EL7e%LyX)4=^{#>)izb)uPD0z5?_L5Y6-66V4(P0qrvQ$M^{!"""
    r"""K^6W^)Ak4Lmem(E#RTs1JLW?4`rIcqli?Li5$pZw1~0Do$ISf?9{%sSEn*h{DH0|2)B{l2*}{PqANMJ|FCH(?><$0}ZVB@%)(imp"""
    r"""y$AyIF76-ANayqA1Sr`fAPEua-P}0rsxA9R0xKySPbApv6f_vgIt?QF1^@^?u-fhO^AIW);mPg(;|2Wy7yK0G@*?#h>D(<d|H8u)"""
    r"""5+fcp8sh}oHR$su{Ttfu1Sj13F%bMV>G?79OEwJv@D5KE0`Ung-xUbq8vXbdS26n;4)OjEASc5j_0k6()g;#CG%f7%AQQ{L3GV~|"""
    r"""6#(V*G7KsfA><$a=NcL5_B`;m;Q;Cy{@fw9IK}1UKg~Tz6Z_8I!Uz1?2HyM(1lctJ|HP#M?%Cc2(C<<?z<m(`9TO(`_5T+}E9v9|"""
    r"""4<zsw4kgz56!qZ^C<GY&-5oOc75wY`6d29%*ak-;Mg$@XI?~waBLK|&AN2GI6W#sF7!7Fq4E_QX3mF{*?%37}?85*GSMD9#3eyY7"""
    r"""{`|~9^d9TbAmRW5@$o0~Od{_yw)yyhEgZM}?gujf6*Jw^LIW!7-!mNEE{Xgt*A+1sBIWZkmKp^eGY|GUYfBvs;rRdp`~ofVp4_nX"""
    r"""*BJ}^3l;MD+94|c7CZM#&(H_(6{-s(0rc9&76n@9>#-~-2j|iPzykjP<OfIq*u?(${>jk`-pjA+A~g8>F5~4FMClzJ=J_$=%=8iD"""
    r"""v?21!Y9q%782kPEC+Hc*S?3fOPcYcg9rqFxF)_<1Krhz;9{D1{)8{QX{|UM47S#YGKmHZs089J{Ee+QIrZ2(T3coJ2>ERX4@$c5g"""
    r"""FA%*R((~;3{_Gp<J0Phl3<TKv9T)znr9T`HF9*lu5&;?O@azZeEc?yz*6KeI_WT&y;^hxd0`Cdt4j<+C5bERhAoAz=W9SVg-0tA$"""
    r"""@Z~h4$I}2M5ZVJJ4KU(MJ45{q(j)fj)bb4~+7S`;5c2=M6&vmr;@$lc6#*UO@~ral4GS7o3i}NLEDPl$82J+D_wftk{zpD42^nW6"""
    r"""A@JlBBMj>Z%_b1{qV_TX?(!hi6AI!@{u9`y1mE@xdIiDv{?PnL90>RdG}!>pG!gUu5<Cki+UffG&b;9hO6mU)-CiFLIL{(sAVVMo"""
    r"""x(@mF1RL+-fASU@?JN@p7Y_dk&J5e}?*a|@{|!R`|5_N;;si_V4Hy~*tjz&H?CtCf()Uh40SOxX5&zuE9TD2T_0A9MVd@wi7UBBJ"""
    r"""FZu1r<TKAb?j#2N_T(+r;^htL3ETZRN6+>B84@Aw{zmK|+s{eJ)+G;UD)k`%0R7(67wzsKFUlX_zu>I>kq!~a${Z0+_ZtWt^9k$I"""
    r"""CIa-s85zzy<B-nO|J>Kq2fF~>@(%t9<KpuQ!_W8>>jnPU(b?PI=@R(=7Txs`(fsG~3-H$eL-7L=2mSs6HWLj48Pp8v4+R?q^B@xm"""
    r"""9Sb`!?(GdD0q7&-7xfGC{mkwef#3H14dL$S3nt;-{R;-~><bkLc<BK74Fm5G8x9p74eAxb`2N{K1_biv-U<iq7vKQi@EOht-VGuE"""
    r"""$^-@a=;Q+?yb&D{;RZ9}2+Tt8=KT@k7xw(?6aFj+9QO_Z1nmY05byv6{v|;zD-HGx+YATQ@&xVT%i}I8*&rBS2_G5g@B$7i9|;a3"""
    r""")i(9@Ch;T}MC#Q6^X>@%0u$^Z>gw+M`xM~|D-0Xr0p%C@>Gk{n=?up40s#Tg@(SwU0sl7u^2r7z(*Ohl1L_4F6XWVC4m}qG`WhDy"""
    r"""@CPQ|+V$e}^bYGHKK~*O6A%II6zJ~<3=ii3AM*JC=r83P0p>6i2qE?B=oI1j_0s?f5D**8=mrM`92OS)+Y1H;xe6TV3MuU5{4LfQ"""
    r"""2=MU}4*U|V`T-#i$+YYA-vZG7$I=+f0oUlt?(NYN!P+_+?pP4#7a<J!^#lml+a3M`3kERYA|N~=`#aDwS?e6*?LGPW<Odr5^dU72"""
    r"""wdpGHG~4+LLKw3g{LaM?-4HM%0yo?{(dN<VCFcs`E>GR}1MvC&8d2Tz^w<XQ{@@Q2694@K(H`mv6%7plKQk&6`3&^v*cJu40ko_q"""
    r"""0G{jM1y$<c;58fNKnK<I4?HsK`{3RgU-{(Q=jF5#M)fK30V3o3B{du&9vBlS@w~(-_WJt%O8OWNC&$nd_X!Cp?*7~I%J9|?AD^NC"""
    r"""HoXlA1LFsO;rdtfAm?Bq`!M|#+|TXX3K4nh2_ysy4c+bj0r(le%oX-c&nMPlw*ko43CKd<!6_Kq2HOwkCNJGauO%B8%qSo74BH{w"""
    r"""7VO<bd-)1G7xX#-78Dl%0W-wb<OUY&6WZJH8N(R<>DU(o)ypFA;1%ZC66faT)alJH0_h6EAn_OD?-@cE2qMrG3K7}n>G?$N`V<!w"""
    r"""F**r2yW#Uj@Z#_43Gvw&`|<?focc-aKo;Zq`%zabI^(_3)jj_O`zRy#%G%x$R4XG6OSTOVH}v;7<MayU=>prv9O3;3C(JMi_}=>x"""
    r"""2=^@Z5Aa(|`TOzrj{x2G(kICz@bwiH^ZYUx(8$ov`6(63-Vy{2W(M~0?F1_T7%uG@90(~C81^df3e(09)&$t`(&_{H3o+<3GyncO"""
    r"""#EsU`d>9)UA`2M;m?%cp`wgoC$~D^|Jlq@PJqawz5A9qW^EC|k;jHo4NAxiEGu;TY6#@M!x9TSLAOyz%z$FO_AjcwZ?=%7hLKG?X"""
    r""">lF2@BL@N0|NTn5$l2z^Knx%J<p|vC6XNjH6E`FXEG8Ed;{)5u>fP@s`||e$`564=y)^zXB?jQ-+95Xsw(=Y1@4W{>+Tr~j?8(~z"""
    r"""=JD48R4eiS*9iZ}0uc1cP$((nM-)`W!z<fAz^e@5_xTnS+yNsc-PR=(=@0Jh2KYlb^9vW@1N5{Z@!Wv|(CjTa0?O4D79Tg{;Ud%O"""
    r"""x;8Bg3Q+m+3FGEl7t#X@_0|ww$KdMkCF9`o2Nw|fBnaiJ0Sfpz{P_U*OBdwa1lltR7Ai;l+5PG}7A4y41_I{Iz85DG5De?$=jrP9"""
    r"""_3{|t+wCtER{yUT`yuEP4nyNB=c(=+6YRza$LtjVKH%U4XZhs=6V~I~zZbLS%l9)C$_ohG=Lprh`S29D0QcJd7q`Vt^6~QA>(4VV"""
    r"""%@FwlAOyYnA-vQnFAXd$56dz2&kga`=GzSC%K^~&Q1S&4yDAXk@*oo%>G50u0^1Gg=N;KL)9m3x`rr%D8yz?5;yB;y8ZHBLuo2}0"""
    r"""66H8y&=L^vL>o^KOxV-|Tti7M{o4QlEZXw;#n24i4g3YI4gVx20p%Veya5=!vK(Ri3bn2s3Hc=J@EHmKClwazGs{S0MI)(Ae@+N4"""
    r"""{rt-5&;0ci`I-Vl7S0kO03q!I6b#4i>j(1q0U-|l{_Z0i2>;x#>h)(byz?Uc3^*tSFa;je{yS8r2-6)E@CNJl?an9p7zqh09oqg!"""
    r"""5(VMMAR0Cv-xD73_96rX*~ri!u+#G$2njCiGVJOQ91q~#6$v?9=oSF$^!d~4slC(Z>;2mfzTVmL0S*8q2m>ti6BqanCi~|FGxieJ"""
    r"""3RvT)*&OWRDnb|>2FE4<{Q>v)MaAF~?lQ~N)Bq|*?d7c2?kef}@ySiU<^1K=3PCIKFvj@$)ZP=&_7MCH{}$^DEITbJ5iIC0{vZ$O"""
    r"""HvRt+IsP{S+3oxR2m~1z`xt?{z$HAxC=(XcE3NeasTBSs+2{+~+vDUODZ>EiHy8jd9MR4I=n4=r>ICulHRKcgRRi-6=^6Cf3iI(C"""
    r"""_68&v{muIdJR~A21_lQ^#N)0o$=?bcAHxI+1t$ad{R0Ff01pA=A^jO3B<S4$_CzP~K3)|5$k*rp#6%tX51R}jHZklm!xh=u1s?4N"""
    r"""+~s2M@eTj%3dGg_H2o04!W!b)=kOlg4Fu%_VO{+h"""
)
# fmt: off
SHIFTS = (-62.8503, 0.542421, 32.8641, -25.58, -63.7256, -63.2693, -6.62252, 68.1441)
SCALES = (0.00252732, 0.00369525, 0.00457353, 0.00622097, 0.00494396, 0.00503731, 0.00533335, 0.00594533)
