/** Words by which mail programs mark quotes, forwards and automatic answers, all in lower case. */

/** Verbs of "On … Ann wrote:" lines. */
// prettier-ignore
export const WROTE: readonly string[] = Object.freeze([
  'wrote', 'writes', // English
  'schrieb', 'hat geschrieben', // German
  'a écrit', 'a ecrit', // French
  'escribió', 'escribio', 'va escriure', // Spanish, Catalan
  'escreveu', // Portuguese
  'ha scritto', 'scrisse', // Italian
  'schreef', 'geschreven', // Dutch
  'skrev', 'skreiv', // Danish, Norwegian, Swedish
  'kirjoitti', 'kirjutas', // Finnish, Estonian
  'napisał', 'napisała', 'napisał(a)', 'pisze', // Polish
  'napsal', 'napsala', 'napsal(a)', 'napísal', 'napísala', 'napísal(a)', // Czech, Slovak
  'napisao je', 'je napisao', 'je napisala', 'napisao/la', 'je napisal', // Croatian, Serbian, Slovenian
  'írta', 'írta:', // Hungarian
  'a scris', // Romanian
  'написал', 'написала', 'написал(а)', 'пишет', 'писал', 'писала', // Russian
  'написав', 'написала', 'пише', 'написа', // Ukrainian, Bulgarian
  'έγραψε', // Greek
  'yazdı', 'şunları yazdı', 'şunu yazdı', // Turkish
  'rakstīja', 'rašė', // Latvian, Lithuanian
  'menulis', 'đã viết', 'viết', // Indonesian, Vietnamese
  'كتب', 'كتبت', 'כתב', 'כתבה', // Arabic, Hebrew
])

/** The same in scripts that put no blanks between words. */
// prettier-ignore
export const WROTE_UNSPACED: readonly string[] = Object.freeze([
  '写道', '寫道', '写了', 'のメール', '書きました', 'さんは書', '작성', '님이 작성', '썼습니다', 'เขียน',
])

/** First words of such lines, for the forms that are broken over several lines. */
// prettier-ignore
export const OPENERS: ReadonlySet<string> = new Set([
  'on', 'am', 'le', 'el', 'em', 'il', 'in', 'op', 'den', 'på', 'pe', 'dnia', 'w', 'dne', 'dňa', 'a', 'az', 'în', 'la', 'στις', 'ke',
  'вт', 'пн', 'ср', 'чт', 'пт', 'сб', 'вс', 'v', 'at', 'pada', 'vào', 'de', 'på', 'ons', 'tir', 'man', 'tor', 'fre', 'lør', 'søn',
])

/** Titles between dashes: `-----Original Message-----`. */
// prettier-ignore
export const ORIGINAL: ReadonlySet<string> = new Set([
  'original message', 'reply message', 'original email', // English
  'ursprüngliche nachricht', 'originalnachricht', 'original-nachricht', 'ursprungliche nachricht', // German
  "message d'origine", 'message d’origine', 'message original', // French
  'mensaje original', 'missatge original', // Spanish, Catalan
  'mensagem original', // Portuguese
  'messaggio originale', // Italian
  'oorspronkelijk bericht', 'origineel bericht', // Dutch
  'oprindelig besked', 'oprindelig meddelelse', // Danish
  'opprinnelig melding', 'original melding', // Norwegian
  'originalmeddelande', 'ursprungligt meddelande', // Swedish
  'alkuperäinen viesti', 'algne kiri', // Finnish, Estonian
  'wiadomość oryginalna', 'oryginalna wiadomość', 'wiadomość pierwotna', // Polish
  'původní zpráva', 'pôvodná správa', // Czech, Slovak
  'originalna poruka', 'izvorna poruka', 'izvirno sporočilo', // Croatian, Serbian, Slovenian
  'eredeti üzenet', // Hungarian
  'mesaj original', 'mesajul original', // Romanian
  'исходное сообщение', 'оригинальное сообщение', 'пересылаемое сообщение', // Russian
  'вихідне повідомлення', 'оригінальне повідомлення', 'оригинално съобщение', // Ukrainian, Bulgarian
  'αρχικό μήνυμα', // Greek
  'orijinal ileti', 'özgün ileti', 'asıl ileti', // Turkish
  '元のメッセージ', '原始邮件', '原始郵件', '邮件原件', '원본 메시지', '원본 메일', // Japanese, Chinese, Korean
  'pesan asli', 'thư gốc', 'الرسالة الأصلية', 'הודעה מקורית', // Indonesian, Vietnamese, Arabic, Hebrew
])

/** Titles of forwarded messages: what follows was sent to us on purpose and is never trimmed. */
// prettier-ignore
export const FORWARDED: readonly string[] = Object.freeze([
  'forwarded message', 'begin forwarded message', 'forwarded by', // English
  'weitergeleitete nachricht', 'anfang der weitergeleiteten nachricht', 'anfang der weitergeleiteten e-mail', // German
  'message transféré', 'message transmis', 'début du message transféré', 'début du message réexpédié', 'transféré', // French
  'mensaje reenviado', 'inicio del mensaje reenviado', 'missatge reenviat', // Spanish, Catalan
  'mensagem encaminhada', 'mensagem reencaminhada', 'início da mensagem reenviada', 'início da mensagem encaminhada', // Portuguese
  'messaggio inoltrato', 'inizio messaggio inoltrato', 'messaggio rispedito', // Italian
  'doorgestuurd bericht', 'begin doorgestuurd bericht', // Dutch
  'videresendt meddelelse', 'videresendt besked', 'start på videresendt besked', 'videresendt melding', // Danish, Norwegian
  'vidarebefordrat meddelande', 'vidarebefordrat brev', // Swedish
  'välitetty viesti', 'edelleenlähetetty viesti', 'välitetty viesti alkaa', // Finnish
  'przekazana wiadomość', 'wiadomość przekazana', 'początek przekazanej wiadomości', 'treść przekazanej wiadomości', // Polish
  'přeposlaná zpráva', 'preposlaná správa', 'proslijeđena poruka', 'prosleđena poruka', // Czech, Slovak, Croatian, Serbian
  'továbbított üzenet', 'továbbított levél', // Hungarian
  'mesaj redirecționat', 'mesaj redirectionat', 'mesaj transmis mai departe', // Romanian
  'пересланное сообщение', 'перенаправленное сообщение', 'пересылаемое сообщение', 'начало переадресованного сообщения', // Russian
  'переслане повідомлення', 'препратено съобщение', 'προωθημένο μήνυμα', // Ukrainian, Bulgarian, Greek
  'iletilmiş mesaj', 'iletilen ileti', 'yönlendirilmiş ileti', // Turkish
  'メッセージを転送', '転送されたメッセージ', '转发的邮件', '转发邮件', '轉寄的郵件', '전달된 메시지', // Japanese, Chinese, Korean
  'pesan terusan', 'pesan yang diteruskan', 'chuyển tiếp', 'رسالة معاد توجيهها', 'הודעה שהועברה', // Indonesian, Vietnamese, Arabic, Hebrew
])

/** Subject prefixes of forwards. */
// prettier-ignore
export const FORWARD_PREFIXES: readonly string[] = Object.freeze([
  'fwd', 'fw', 'wg', 'tr', 'rv', 'enc', 'i', 'doorst', 'vs', 'vb', 'vl', 'pd', 'továbbítás', 'ynt', 'ilt', '转发', '轉寄', 'fyi', 'пер',
])

/** Subject prefixes of replies, so that `Re:` is not put before `AW:`. */
// prettier-ignore
export const REPLY_PREFIXES: readonly string[] = Object.freeze([
  're', 'aw', 'antw', 'sv', 'vs', 'ref', 'rif', 'r', 'res', 'odp', 'ynt', 'απ', '答复', '回复', '回覆', '返信', '답장', 'на', 'bls', 'תגובה', 'رد',
])

type HeaderKind = 'from' | 'to' | 'cc' | 'date' | 'subject'

const KEYS: Readonly<Record<HeaderKind, string>> = {
  from: 'from|von|de|da|van|fra|från|lähettäjä|od|odesílatel|nadawca|feladó|от|отправитель|від|από|kimden|差出人|发件人|寄件者|보낸 사람|보낸사람|送信元|dari|từ|من|מאת|de la|expéditeur|mittente|remitente|saatja|afzender|gönderen|expeditor',
  to: 'to|an|à|a|para|aan|til|till|vastaanottaja|do|komu|címzett|кому|до|προς|kime|宛先|收件人|받는 사람|받는사람|送信先|kepada|đến|إلى|אל|către|destinataire|destinatario|pre|za|saaja|adresat|alıcı',
  cc: 'cc|kopie|copie|copia|cópia|kopi|kopia|kopio|dw|másolat|копия|копія|κοιν|bilgi|抄送|副本|참조|tembusan',
  date: 'date|sent|datum|gesendet|gesendet am|envoyé|envoyé le|enviado|enviado el|enviada em|fecha|data|inviato|verzonden|verzonden op|dato|sendt|skickat|lähetetty|päivämäärä|wysłano|odesláno|odoslané|dátum|küldve|elküldve|дата|отправлено|надіслано|ημερομηνία|εστάλη|tarih|gönderildi|gönderme tarihi|日時|日付|送信日時|发送时间|日期|寄件日期|보낸 날짜|날짜|tanggal|dikirim|ngày|đã gửi|التاريخ|تاريخ|תאריך|נשלח|trimis|poslano|poslato|datum|skickat|saadetud|sendt den',
  subject:
    'subject|betreff|objet|asunto|assunto|oggetto|onderwerp|emne|ämne|aihe|temat|předmět|predmet|tárgy|тема|θέμα|konu|件名|主题|主旨|主題|제목|perihal|subjek|chủ đề|tiêu đề|الموضوع|נושא|subiect|zadeva|naslov|teema|assumpte',
}

/** Label of a copied header line (`Von`, `发件人`) → what it stands for. */
export const HEADER_KINDS: ReadonlyMap<string, HeaderKind> = new Map(
  (Object.keys(KEYS) as HeaderKind[]).flatMap((kind) => KEYS[kind].split('|').map((label) => [label, kind] as const)),
)

/** Beginnings of subjects of out-of-office answers. */
// prettier-ignore
export const OUT_OF_OFFICE: readonly string[] = Object.freeze([
  'automatic reply', 'auto reply', 'autoreply', 'auto-reply', 'auto response', 'out of office', 'out of the office', // English
  'automatische antwort', 'abwesenheitsnotiz', 'abwesenheit:', 'abwesend:', // German
  'réponse automatique', 'absence du bureau', "message d'absence", // French
  'respuesta automática', 'fuera de la oficina', 'resposta automàtica', // Spanish, Catalan
  'resposta automática', 'fora do escritório', // Portuguese
  'risposta automatica', 'fuori ufficio', // Italian
  'automatisch antwoord', 'afwezig:', 'afwezigheid', // Dutch
  'automatisk svar', 'autosvar', 'ikke på kontoret', 'frånvaro:', // Danish, Norwegian, Swedish
  'automaattinen vastaus', 'poissaoloilmoitus', 'automaatvastus', // Finnish, Estonian
  'odpowiedź automatyczna', 'automatyczna odpowiedź', // Polish
  'automatická odpověď', 'automatická odpoveď', 'automatski odgovor', 'samodejni odgovor', // Czech, Slovak, Croatian, Slovenian
  'automatikus válasz', 'răspuns automat', // Hungarian, Romanian
  'автоматический ответ', 'автоответ', 'автоматична відповідь', 'автоматичен отговор', // Russian, Ukrainian, Bulgarian
  'αυτόματη απάντηση', 'otomatik yanıt', // Greek, Turkish
  '自動応答', '自動返信', '自动答复', '自动回复', '自動回覆', '자동 회신', '자동 응답', // Japanese, Chinese, Korean
  'balasan otomatis', 'trả lời tự động', 'رد تلقائي', 'תשובה אוטומטית', // Indonesian, Vietnamese, Arabic, Hebrew
])
