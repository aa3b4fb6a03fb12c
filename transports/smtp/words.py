"""The kinds of words that servers say things with, in English and a little German and French.

Each is a regular expression whose time grows with the text alone: what may stand between two words is bounded.
They are looked for in a reply without its addresses (`smtp_replies.plain`).
"""

from __future__ import annotations


def _near(first: str, then: str) -> str:
    """`then` within some words after `first`."""
    return rf"(?:{first}).{{0,60}}?(?:{then})"


_MOST = r"\blimit|quota|\brate\b|threshold|allowance|\bmax(?:imum)?\b|kontingent"
_PERIOD = (
    r"(?:per|an?|each|every|last|\d{1,6}) (?:\d{1,6} )?(?:second|minute|hour|day|week|month)|hourly|daily"
    r"|monthly|24[ -]?h|(?:hour|day|minute|month) (?:limit|quota)"
    r"|(?:pro|je) (?:stunde|tag|minute)|par (?:heure|jour|minute)"
)
_OVER = r"exceed|reached|\bover\b|\bhit\b|überschritten|ueberschritten|erreicht|dépass|depass|atteint"
_OF_SENDING = (
    r"\bsend(?:ing)?\b|\bsent\b|submission|\brelay\b|outgoing|outbound|e-?mails?\b|\bmails?\b|messages?\b|connection"
    r"|\brcpts?\b|versand|envoi|nachrichten|courriel"
)
_THINGS = (
    r"(?:e-?mails?|mails?|messages?|connections?|requests?|sessions?|transactions?|errors|nachrichten|verbindungen)"
)

LIMIT_OF_SENDING = "|".join(
    (
        rf"(?:{_OF_SENDING})[\w ,-]{{0,30}}?(?:\blimit|quota|allowance)",
        _near(_MOST, _PERIOD),
        _near(_PERIOD, _MOST),
        rf"(?:only|maximum of|up to) \d{{1,7}} {_THINGS} {_PERIOD}",
        r"\bversandlimit|limite d.envoi|unusual (?:sending|rate|volume)",
    )
)
TOO_FAST = "|".join(
    (
        r"thrott|rate[- ]?(?:limit|control)|sending rate|message rate|too (?:fast|quickly)|slow down|ratelimit",
        rf"too (?:many|much) (?:[\w-]{{1,20}} ){{0,3}}?{_THINGS}",
        r"too much (?:mail|traffic)|concurrent|zu viele (?:e-?mails|nachrichten|verbindungen)",
        r"trop (?:de|d.) ?(?:messages|e-?mails|courriels|connexions)",
    )
)
QUOTA_EXCEEDED = "|".join((_near(_MOST, _OVER), _near(_OVER, _MOST)))

MAILBOX_FULL = (
    r"(?:mailbox|mail box|inbox|account|user|recipient|postfach|bo[iî]te)\b.{0,40}?"
    r"(?:\bfull\b|over (?:its |the |their )?quota|out of (?:storage|space)|quota exceeded|voll\b|pleine)"
    r"|\bover ?quota|quota (?:exceeded|violation|full|überschritten)|exceeded (?:storage|its quota|the quota)"
)
MAILBOX_CLOSED = (
    r"(?:user|account|mailbox|recipient)(?: \w{1,20})? (?:(?:is|was|been) )?(?:suspended|disabled|discontinued)"
    r"|(?:user|account|mailbox|recipient)(?: \w{1,20})? (?:(?:is|was|been) )?(?:inactive|deactivated|closed|expired)"
)
MAILBOX_BUSY = r"mail ?box (?:is )?(?:currently )?(?:busy|locked|in use)|postfach .{0,20}?(?:gesperrt|belegt)"
NOT_HERE = (
    r"no such (?:user|mailbox|recipient|address|person|account|local)|(?:unknown|invalid|bad) (?:local )?"
    r"(?:user|mailbox|recipient|address|account|destination mailbox)|(?:user|mailbox|recipient|address|account)"
    r"(?: name)? (?:is )?(?:unknown|not (?:found|known|exist)|doesn.?t exist|does not exist|inexistant)"
    r"|unrouteable|unbekannte[rs]? (?:empf|benutzer|user|adress)|(?:empfänger|benutzer|postfach) .{0,20}?unbekannt"
    r"|does ?n.t have an? [\w.]{0,30} ?account|utilisateur inconnu|adresse inconnue|destinataire inconnu"
)
RECEIVING_TOO_MUCH = r"receiving mail (?:too|at a rate)|recipient .{0,40}?too (?:much|many|quickly)"
OF_THE_RECIPIENT = (
    r"blocked by (?:the )?(?:recipient|user|addressee)|recipient (?:has )?(?:blocked|blacklisted|refuses)"
    r"|(?:this|the) (?:group|list|distribution)|send to (?:this|the) (?:recipient|mailbox|user|address)"
    r"|allowed[- ]senders? list|resolver\.rst"
)

SIGN_IN_FIRST = (
    r"auth\w{0,12} (?:is )?required|not authenticated|authenticate (?:first|before|with)|need to authenticate"
    r"|must (?:first )?(?:authenticate|log ?in|sign ?in|auth\b|issue auth)|please (?:authenticate|log ?in)"
    r"|not logged in|unauthenticated sender|use smtp.?auth"
    r"|(?:log ?in|sign ?in|auth) (?:first|required)|pop before smtp|unauthenticated client"
    r"|anmeldung erforderlich|authentifizierung (?:ist )?erforderlich|authentification (?:requise|obligatoire)"
)
LOCKED_OUT = (
    r"too many (?:\w{1,20} ){0,3}?(?:attempts|failures|logins|errors|tries)|lock(?:ed)? ?out|account (?:is )?locked"
)
DIRECTORY_AWAY = (
    r"connection (?:lost|refused|timed)|connection to .{0,40}?(?:lost|failed|closed)|temporar|time[d-]? ?out"
    r"|(?:service|server|currently|backend) (?:is )?unavailable|generic failure|back-?end|internal (?:server )?error"
    r"|(?:can.?not|can.t|could not|unable to|failed to) (?:contact|connect|reach|access)|try (?:again )?later"
    r"|ldap (?:server|error|connect)|directory (?:server|service)|server (?:error|busy|failure)|vorübergehend"
)
ACCOUNT_CLOSED = (
    r"(?:your|sending|sender|smtp) account.{0,40}?(?:suspend|disabled|locked|blocked|deactivat|paused|review|frozen"
    r"|not (?:yet )?(?:activ|approved|enabled))"
    r"|sending (?:is |has been )?paused|(?:ihr|dein) (?:konto|account) .{0,30}?gesperrt"
    r"|votre compte .{0,30}?(?:suspendu|bloqu)"
)

_REFUSED = (
    r"block|\bban|black-?list|\blisted|deny|denied|reject|refus|not (?:allowed|permitted|accepted)|gesperrt|bloqu"
)
_MACHINE = r"client (?:host|ip|\[)|(?:your|sending|source) (?:host|ip|server|network|mail ?server)|\bip\b"
BLOCK_LIST = "|".join(
    (
        r"spamhaus|spamcop|sorbs\b|uceprotect|barracuda|dnsbl|\brbl\b|black-?list|(?:block|deny) ?list|\bcbl\b|abuseat",
        r"blocked using|senderscore|senderbase|invaluement|listed (?:in|on|at|by)\b|\bptr\b|reverse dns|rdns",
        r"reputation|dial-?up|dynamic (?:ip|address)|cannot find your (?:host|reverse)|[?&]ip=\d",
        r"polic\w{0,5} (?:restriction|violation|reason)|(?:due to|by|for) (?:local |our |site )?polic",
        _near(_MACHINE, _REFUSED),
        rf"(?:block|bann|black-?list|listed)\w{0, 6} .{{0,30}}?(?:{_MACHINE})",
    )
)
OUT_OF_ORDER = (
    r"lookup failure|configuration (?:error|problem)|(?:system|server) (?:is )?(?:too )?(?:busy|overloaded)|high load"
    r"|not accepting (?:mail|messages|network)|load average"
)
BLOCKED_LINK = r"\b(?:url|uri|link|attachment|virus|malware|infected|macro|hyperlink)s?\b"
SPAM = r"spam|virus|malware|content|unsolicited|phish|junk"
UNPROVED_SENDER = r"\bspf\b|\bdkim\b|\bdmarc\b|unauthenticated (?:e-?)?mail|sender id check|anti-?spoof"

_SENDER = (
    r"\bsenders?\b|\bmail from\b|return-path|identit(?:y|ies)|absender|expéditeur|expediteur"
    r"|\bfrom['\"]?(?:[ /-]{1,2}['\"]?(?:address|header|domain|e-?mail|field|name|sender))"
)
_NOT_ALLOWED = (
    r"not (?:been |a |yet |be )?(?:verif|valid|allowed|authori[sz]ed|permitted|owned|confirm|register|match|sender)"
    r"|unverified|unauthori[sz]ed|reject|refus|invalid|denied|failed|mismatch|doesn.t match|isn.t|not on your|verify"
    r"|nicht (?:erlaubt|zugelassen|berechtigt|zulässig|verifiziert)|ungültig|non autoris|interdit"
)
SENDER = "|".join(
    (
        _near(_SENDER, _NOT_ALLOWED),
        _near(r"invalid|unverified|unauthori[sz]ed|verify the", _SENDER),
        r"sendas|send as\b|not owned by|sender (?:identity|signature)|address(?:es)? (?:is|are) not verified",
        r"disallowed as\b|unregistered domain|not authori[sz]ed to (?:perform|send)",
        r"from must|same as (?:the )?(?:login|user|auth)|domain .{0,60}?not (?:allowed to send|verified)",
    )
)
