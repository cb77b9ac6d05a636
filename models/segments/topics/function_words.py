"""Function words of some languages: they identify the language of a comment and belong to no topic.

Each list holds words that are frequent in any text of its language; a word may be in several lists. For other
languages only the script is identified, and their function words count like any other words.
"""

FUNCTION_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "de": """aber alle alles als also am an auch auf aus bei beim bin bis da dann das dass dem den der des die dies
            diese doch ein eine einem einen einer er es etwas für hab habe haben hat hatte ich ihr im immer in ist ja
            kann kein keine man mein meine mich mir mit nach nein nicht noch nun nur oder schon sehr sein sich sie sind
            so über um und uns von vor war waren was weil wenn werden wie wieder wir wird wurde zu zum zur""",
        "en": """a about after again all also am an and any are as at be because been before but by can could did do
            does don for from had has have he her here his how i if in is it its just me more my no not now of on one
            only or our out she so some than that the their them then there they this to too up very was we were what
            when which who will with would you your""",
        "es": """a al algo ante como con cuando de del desde donde e el ella ellos en era es esta está estaba este
            esto estoy fue fueron ha había han hasta hay he la las le les lo los mas más me mi mis mucho muy nada ni no
            nos o para pero por porque pues que qué se ser si sí sin sobre son su sus también te tiene todo todos tu
            un una uno y ya yo""",
        "fr": """a ai alors au aussi autre aux avec avoir c ce cela ces cette comme d dans de des donc du elle en est et
            été être eu fait il ils j je l la le les leur lui m ma mais me même mes moi mon n ne nous on ont ou où par
            pas plus pour qu quand que qui s sa sans se ses si son sont sur très tout tous trop tu un une vous à ça""",
        "it": """a ad ai al alla anche c che chi ci come con cosa da dal dalla dei del della delle di dopo e è era
            essere fa fatto gli ha hanno ho i il in io l la le lei lo loro lui ma mi mia mio molto ne nel nella no non
            o per perché però più poi quando questa questo qui quello sempre senza si sia solo sono sta stato su sul
            tra tutto un una uno""",
        "nl": """aan al alle als ben bij daar dan dat de deze die dit door dus een en er geen goed had hebben heb heeft
            het hier hij ik in is je kan maar me meer met mijn na naar niet nog nu of om onze ook op over te toch tot
            uit van veel voor waar was wat we wel werd wordt worden zal ze zeer zich zijn zo""",
        "pl": """a ale ani bardzo bez był była było być by co czy dla do gdy go i ich im ja jak jako je jednak jego jej
            jest jestem już kiedy która które który lub ma mam mi mnie może na nad nic nie niż o od on ona po pod
            przed przez przy są się tak tam te tego ten to tu tylko w we więc wszystko z za ze że żeby""",
        "pt": """a ainda ao aos aqui as até com como da das de dele depois do dos e é ela ele em entre era essa esse
            está estava este eu foi for foram há isso já lhe mais mas me mesmo meu minha muito na nada não nao nas nem
            no nos o os ou para pela pelo pois por porque pra quando que quem são se sem ser seu só sua também te tem
            tenho ter tive tudo um uma você""",
        "ru": """а без бы был была были было быть в вам вас ваш ведь во вот все всё всего вы где да даже для до его ее
            её если есть еще ещё же за и из или им их к как ко когда кто ли либо лишь мне можно мой моя мы на над нам
            нас не него нее неё нет ни них но ну о об он она они оно от очень по под после потом потому почему при про
            с сам себе себя со так также такой там то того тоже той только том тот тут ты у уж уже чем что чтобы чуть
            эта эти это этого этот эту я""",
        "sv": """alla allt att av bara blev bli de den denna det detta dig din dock du då efter eller en er ett fick
            från för ha hade han har hon här i ingen inte jag kan man med men mer mig min mitt mycket måste ni nu när
            och också om på sig ska som så till upp ut utan vad var vara vi vid vill är än även""",
        "tr": """ama ancak artık az bana bir bize biz böyle bu buna bunu çok çünkü da daha de değil diye en gibi göre
            hem hep hiç için ile ise kadar ki mi mı mu mü ne neden nasıl o olan olarak oldu olduğu onu sadece sonra siz
            şey şu tüm var ve veya ya yok yine""",
        "uk": """або але б без би був була були було бути в вам вас ви від він вона вони все всі де для до дуже є ж за з
            зі і із або їх їй його й коли ми мене мені моя на над нам нас не неї ні ним них ну о об по під після при
            про та так також там те ти тільки тому то тут у це цей ця чи чому що щоб щось як який якщо я""",
    }.items()
}

# Function words that negate the next word.
_NEGATIONS = """bez değil geen ingen inte kein keine keinen never nicht nie niet no non not não nao pas senza sem sin
    sans utan without yok без не нет немає никогда ні"""
NEGATIONS = frozenset(_NEGATIONS.split())
