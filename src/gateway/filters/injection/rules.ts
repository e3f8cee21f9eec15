/** What a rule says about a text in which it is found. */
export interface Rule {
  readonly name: string
  /** 0 … 1; from 0.5 on it is enough by itself. */
  readonly score: number
  /** Linear: starts with a literal, gaps bounded. */
  readonly pattern: RegExp
  /** Whether nothing in ASCII can match. */
  readonly beyondAscii: boolean
}

const GAP = String.raw`[^.!?\n]{0,48}?`

/**
 * Verb, then what it is about, within a clause. That the verb begins a word is asked behind it: in front, it would be asked at every character.
 */
const clause = (verbs: string, objects: string): RegExp =>
  new RegExp(String.raw`(?<verb>${verbs})(?<![\p{L}\p{N}]\k<verb>)(?![\p{L}])${GAP}(?<![\p{L}])(?:${objects})(?![\p{L}])`, 'iu')

const OVERRIDES: Readonly<Record<string, RegExp>> = {
  en: clause(
    'ignore|disregard|forget|override|bypass|discard|do not follow|don.t follow|stop following|pay no attention to',
    String.raw`(?:all|any|previous|prior|earlier|above|preceding|former|your|these|those|initial|original|system|foregoing)\s(?:of\s)?(?:the\s|your\s|my\s|these\s)?(?:previous\s|prior\s|earlier\s|above\s|preceding\s|initial\s|original\s|system\s|safety\s|given\s|other\s)*(?:instructions?|prompts?|rules|guidelines|directions|directives|commands|orders|programming|training|policies|tasks|assignments)`,
  ),
  de: clause(
    'ignorier\\p{L}*|vergiss|vergesst|vergessen sie|missachte\\p{L}*|verwirf|beachte nicht',
    String.raw`(?:alle|allen|vorherige[nr]?|vorangegangenen?|bisherigen?|obigen?|deine|ihre|vorigen?|früheren|vorstehenden)\s(?:[\p{L}]{1,24}\s){0,3}?(?:anweisung(?:en)?|instruktion(?:en)?|befehle?|regeln|vorgaben|aufgaben|anordnungen|richtlinien|aufträge|prompts?)`,
  ),
  fr: clause(
    'ignore[rz]?|oublie[rz]?|ne tiens pas compte|ne tenez pas compte|fais abstraction|outrepasse[rz]?',
    'instructions?|consignes?|directives?|ordres|règles',
  ),
  es: clause(
    'ignora|ignore|ignorar|olvida|olvide|olvídate|omite|descarta|haz caso omiso',
    'instrucciones|reglas|órdenes|ordenes|indicaciones|directrices',
  ),
  it: clause('ignora|ignorate|ignori|dimentica|dimenticate|trascura|non considerare', 'istruzioni|regole|direttive|ordini|indicazioni'),
  nl: clause(
    'negeer|vergeet|sla over',
    String.raw`(?:alle|vorige|eerdere|bovenstaande|je|jouw|uw|voorgaande)\s(?:[\p{L}]{1,24}\s){0,3}?(?:instructies|regels|opdrachten|aanwijzingen|richtlijnen)`,
  ),
  pt: clause('ignora|ignore|esqueça|esquece|desconsidere|desconsidera', 'instruções|regras|ordens|diretrizes|comandos'),
  pl: clause('zignoruj|ignoruj|zapomnij|pomiń', 'instrukcje|instrukcjach|polecenia|poleceniach|zasady|zasadach|wytyczne'),
  ru: clause('игнорируй|игнорируйте|проигнорируй|забудь|забудьте', 'инструкции|инструкциях|указания|указаниях|правила|команды'),
  // Swedish, Danish and Norwegian, Czech, Vietnamese, Indonesian: in one, for each rule has its price in every text.
  other: clause(
    'ignorera|glöm|bortse från|strunta i|ignorer|glem|se bort fra|ignoruj|ignorujte|zapomeň|zapomeňte|bỏ qua|phớt lờ|quên|abaikan|lupakan',
    String.raw`(?:alla|tidigare|föregående|dina|ovanstående|alle|tidligere|foregående|dine|ovenstående|všechny|všechna|předchozí|své|svoje|mọi|tất cả|các|semua|segala)\s(?:[\p{L}]{1,24}\s){0,3}?(?:instruktioner(?:na)?|regler(?:na)?|anvisningar(?:na)?|riktlinjer(?:na)?|instruktioner(?:ne)?|instruksjoner|instruksene?|regler(?:ne)?|retningslinjer(?:ne)?|pokyny|instrukce|pravidla|příkazy|hướng dẫn|chỉ dẫn|chỉ thị|quy tắc|instruksi|perintah|aturan|petunjuk)`,
  ),
  uk: clause(
    'ігноруй|ігноруйте|забудь|забудьте',
    String.raw`(?:усі|всі|попередні|свої)\s(?:[\p{L}]{1,24}\s){0,3}?(?:інструкції|вказівки|правила|команди)`,
  ),
  tr: clause('önceki|yukarıdaki|tüm', 'talimatları (?:yok say|unut|görmezden gel)'),
  zh: /(?:忽略|无视|忘记|忽視|無視).{0,16}(?:指令|指示|提示|规则|規則|说明|命令)/u,
  ja: /(?:指示|命令|ルール|プロンプト).{0,8}(?:無視|忘れ)/u,
  ko: /(?:지시|명령|규칙|지침|프롬프트).{0,8}(?:무시|잊)/u,
  ar: /(?:تجاهل|انس).{0,24}(?:التعليمات|الأوامر|القواعد|التوجيهات)/u,
  hi: /(?:निर्देश|आदेश|नियम).{0,24}(?:अनदेखा|नज़रअंदाज़|नजरअंदाज|भूल)/u,
}

const REVEALS: Readonly<Record<string, RegExp>> = {
  de: clause(
    'zeige?|gib|nenne|wiederhole|verrate|schreibe?|wie lauten?|was sind',
    'systemprompt|system-prompt|systemnachricht|systemanweisung(?:en)?|(?:anweisungen|vorgaben|regeln), die (?:du|sie) (?:am anfang |zu beginn )?(?:erhalten|bekommen)|(?:deine[nr]?|ihre[nr]?) (?:geheimen?|internen?|ursprünglichen?) (?:anweisungen|vorgaben|instruktionen)',
  ),
  fr: clause(
    'affiche[rz]?|montre[rz]?|donne[rz]?|répète[rz]?|révèle[rz]?|recopie[rz]?|quelles sont',
    'prompt système|(?:instructions|consignes) (?:système|secrètes|cachées|initiales|que (?:tu as|vous avez) reçues|qui (?:t.|vous )ont été données)',
  ),
  es: clause(
    'muestra|muéstrame|dame|repite|revela|copia|cuáles son',
    'prompt (?:del|de) sistema|instrucciones (?:de sistema|del sistema|secretas|ocultas|iniciales|que (?:te dieron|recibiste|has recibido))',
  ),
  it: clause(
    'mostra|mostrami|dammi|ripeti|rivela|copia|quali sono',
    'prompt di sistema|istruzioni (?:di sistema|segrete|nascoste|iniziali|che (?:hai ricevuto|ti hanno dato|ti sono state date))',
  ),
  nl: clause(
    'toon|geef|herhaal|onthul|wat zijn',
    'systeemprompt|systeeminstructies|(?:geheime|verborgen) instructies|instructies die je (?:hebt gekregen|kreeg)',
  ),
  other: clause(
    'pokaż|wyświetl|ujawnij|powtórz|podaj|visa|skriv ut|upprepa|avslöja',
    'prompt systemowy|instrukcje systemowe|systemprompt(?:en)?|systeminstruktioner(?:na)?',
  ),
  ru: clause('покажи|выведи|раскрой|повтори|назови', 'системн\\p{L}{1,4} (?:промпт|подсказк\\p{L}|сообщени\\p{L}|инструкци\\p{L})'),
  zh: /(?:显示|输出|告诉我|重复|顯示|輸出).{0,12}(?:系统提示|系統提示|系统指令|初始指令)/u,
  ja: /システム.?プロンプト.{0,6}(?:表示|出力|教え|見せ)/u,
  ko: /시스템.?프롬프트.{0,6}(?:출력|보여|알려|공개)/u,
  pt: clause(
    'mostra|mostre|repita|repete|revela|revele|quais são',
    'prompt (?:do|de) sistema|instruções (?:do sistema|secretas|ocultas|iniciais|que (?:você recebeu|recebeste|te deram))',
  ),
}

const OTHER_SCRIPTS: ReadonlySet<string> = new Set(['ru', 'uk', 'zh', 'ja', 'ko', 'ar', 'hi'])

const inLanguages = (name: string, score: number, patterns: Readonly<Record<string, RegExp>>): readonly Rule[] =>
  Object.entries(patterns).map(([language, pattern]) => ({
    name: `${name}-${language}`,
    score,
    pattern,
    beyondAscii: OTHER_SCRIPTS.has(language),
  }))

/** In any language, or in English. */
const FORMS: readonly Omit<Rule, 'beyondAscii'>[] = [
  {
    name: 'reveal-system-prompt-en',
    score: 0.85,
    pattern: clause(
      'reveal|show|print|repeat|output|display|leak|disclose|recite|give me|tell me|spell.check|return|write out|what (?:is|are|was|were)',
      String.raw`(?:your|the|this|all|above|full|entire|exact|complete)\s(?:[\p{L}]{1,24}\s){0,2}?(?:system prompt|system message|initial prompt|initial instructions|hidden prompt|hidden instructions|original prompt|original instructions|secret instructions|prompt texts?|above prompt|above instructions|prompt above|instructions above)`,
    ),
  },
  {
    name: 'reveal-what-was-given',
    score: 0.7,
    pattern: clause(
      'reveal|show|print|repeat|output|display|leak|disclose|recite|summari[sz]e|quote|list|share|encode|translate|give me|tell me|write out',
      String.raw`(?:instructions?|rules|guidelines|prompt|secrets?|text|word|passphrase|code)\s(?:that\s)?(?:you|u)(?:\s(?:were|have been|are)|.ve been|.re)\s(?:not\s)?(?:given|told|supposed|guarding|hiding|keeping|allowed)`,
    ),
  },
  {
    name: 'encode-own-instructions',
    score: 0.6,
    pattern: clause(
      'reveal|leak|disclose|recite|encode|spell|dump',
      String.raw`your\s(?:(?:own|exact|full|initial|original|hidden|secret|internal)\s){0,2}(?:instructions|system message|system prompt|guidelines|developer message|pre-?prompt)`,
    ),
  },
  {
    name: 'shed-restrictions',
    score: 0.7,
    pattern: clause(
      'drop|disable|deactivate|turn off|switch off|remove|bypass|ignore|forget|break|disobey|abandon|set aside|suspend|replace|overwrite|lift|override|circumvent',
      String.raw`your\s(?:(?:own|content|safety|moral|ethical|internal|former|current|old)\s){0,2}(?:restrictions|limitations|guardrails|safeguards|filters?|moderation|rules|guidelines|instructions|programming|constraints|system prompt|ethics)`,
    ),
  },
  {
    name: 'not-bound',
    score: 0.6,
    pattern:
      /\byou (?:are not|aren.t|are no longer) bound by (?:any |the |your |these )?(?:\p{L}{1,16} )?(?:rules?|instructions?|guidelines?|polic(?:y|ies)|restrictions?|anything)\b|\byou (?:don.t|do not|no longer) (?:have|need) to (?:follow|obey|respect) (?:any |the |your |these )?(?:content |safety |ethical )?(?:rules|instructions|guidelines|restrictions)\b/iu,
  },
  {
    name: 'forbidden-mode',
    score: 0.7,
    pattern:
      /(?<verb>enter|enable|activate|unlock|switch to|turn on|go into)(?<=(?:^|[.!?:,;\n]\s{0,2})(?:please |now |you will now )?\k<verb>)\s(?:the |your )?(?:god|sudo|jailbreak|unrestricted|unfiltered|uncensored|evil|opposite)\s?mode\b/iu,
  },
  {
    name: 'template-markup',
    score: 0.8,
    pattern:
      /<\|(?:im_start|im_end|system|user|assistant|endoftext|start_header_id|eot_id)\|>|<<\/?SYS>>|\[\/?INST\]|<\/?(?:system_prompt|system-prompt|system_instructions?)>/iu,
  },
  {
    name: 'false-boundary',
    score: 0.75,
    pattern:
      /(?:-{3,20}|={3,20}|#{3,20}|\*{3,20}|"{3}|`{3}|<{2,4}|\[)\s?(?:end|begin|start|new|stop|ende|neue|fin|nuevas?)\s?(?:of\s|der\s|des\s|de\s)?(?:the\s|all\s)?(?:system|user|prompt|instructions?|context|anweisungen|admin|policy|input)/iu,
  },
  { name: 'role-line', score: 0.3, pattern: /(?:^|\n)\s{0,4}(?:#{1,4}\s?)?(?:system|developer)\s?(?:prompt|message)?\s?:/iu },
  {
    name: 'tool-call',
    score: 0.55,
    pattern: /"(?:tool_calls?|function_call|tool_use)"\s{0,4}:\s{0,4}[[{"]|<(?:tool_call|function_calls|invoke)[\s>]/iu,
  },
  {
    name: 'exfiltration-link',
    score: 0.8,
    pattern: /!?\[[^\]\n]{0,80}\]\(https?:\/\/[^)\s{[<$]{0,200}[?&/=][^)\s{[<$]{0,80}(?:\{|\[|<|%7b|\$\{|\$\()/iu,
  },
  { name: 'remote-image', score: 0.2, pattern: /!\[[^\]\n]{0,80}\]\(https?:\/\/[^)\s]{1,300}\?[^)\s]{1,300}\)/iu },
  {
    name: 'unbound-persona',
    score: 0.8,
    pattern:
      /do anything now\b(?! that\b)|(?<verb>you are|act as|pretend to be|become|simulate|enable|enter|activate|stay as|stay a)(?<!\w\k<verb>) (?:now )?(?:DAN|STAN|DUDE|an? (?:unfiltered|uncensored|amoral|unrestricted|jailbroken)|(?:the )?(?:developer|jailbreak|god|unrestricted) mode)\b/iu,
  },
]

/** What only someone who plays the system, or speaks to a model behind its operator's back, writes. Sources of the forms: the public taxonomy of OWASP LLM01. */
export const RULES: readonly Rule[] = [
  ...inLanguages('override-instructions', 0.9, OVERRIDES),
  ...inLanguages('reveal-system-prompt', 0.8, REVEALS),
  ...FORMS.map((form) => ({ ...form, beyondAscii: false })),
]

/** Tag characters that spell out something: no one types them. */
export const SMUGGLING: Omit<Rule, 'pattern' | 'beyondAscii'> & { readonly fewest: number } = {
  name: 'invisible-text',
  score: 0.85,
  fewest: 6,
}
