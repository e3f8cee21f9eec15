/**
 * Forms of keys and tokens that vendors document, told by their prefix: one a line, `vendor prefix rest least score?`.
 * `rest` is what follows the prefix: an alphabet of `ALPHABETS`, `=` before the number when the vendor fixes the length.
 */
export const VENDOR_FORMS = `
Anthropic sk-ant- base64url 20
OpenAI sk-proj- base64url 20
OpenAI sk-svcacct- base64url 20
OpenAI sk-admin- base64url 20
OpenAI sk- alphanumeric 20 .85
OpenRouter sk-or-v1- hex 32
xAI xai- alphanumeric 40
Groq gsk_ alphanumeric 40
Replicate r8_ alphanumeric 30
HuggingFace hf_ alphanumeric 30
HuggingFace api_org_ alphanumeric 30
Perplexity pplx- alphanumeric 40
NVIDIA nvapi- base64url 40
Tavily tvly- base64url 24
Jina jina_ base64url 40
Pinecone pcsk_ base64url 40
LangSmith lsv2_pt_ base64url 40
LangSmith lsv2_sk_ base64url 40
Langfuse sk-lf- base64url 30
Langfuse pk-lf- base64url 30
Together tgp_v1_ base64url 40
Cerebras csk- alphanumeric 40
E2B e2b_ hex 40
Firecrawl fc- hex 32
AWS AKIA upper =16
AWS ASIA upper =16
AWS ABIA upper =16
AWS ACCA upper =16
AWSBedrock ABSK base64 100
Google AIza base64url =35
Google GOCSPX- base64url 24
GoogleOAuth ya29. dotted 40
Alibaba LTAI alphanumeric 20
Tencent AKID alphanumeric =32
Yandex AQVN base64url 35
YandexOAuth y0_ base64url 50
Scaleway SCW upper =17
DigitalOcean dop_v1_ hex =64
DigitalOcean doo_v1_ hex =64
DigitalOcean dor_v1_ hex =64
CloudflareOrigin v1.0- dotted 150
Heroku HRKU- base64url 36
Render rnd_ alphanumeric 26
Netlify nfp_ alphanumeric 36
Fly fm2_ base64 60
Fly fo1_ base64url 40
Supabase sbp_ hex 40
Supabase sb_secret_ base64url 30
PlanetScale pscale_tkn_ dotted 32
PlanetScale pscale_pw_ dotted 32
PlanetScale pscale_oauth_ dotted 32
Neon napi_ lower 60
Tailscale tskey-auth- base64url 20
Tailscale tskey-api- base64url 20
Tailscale tskey-client- base64url 20
Vault hvs. dotted 24
Vault hvb. dotted 24
Vault hvr. dotted 24
Doppler dp.pt. dotted 40
Doppler dp.st. dotted 40
Doppler dp.ct. dotted 40
OnePassword ops_eyJ base64url 100
OnePassword A3- upperdash 30 .8
Age AGE-SECRET-KEY-1 upper 58
Atlassian ATATT3xFf base64 100
Atlassian ATCTT3xFf base64 100
Bitbucket ATBB alphanumeric 28
BitbucketDC BBDC- base64 40
GitHub ghp_ alphanumeric 30
GitHub gho_ alphanumeric 30
GitHub ghu_ alphanumeric 30
GitHub ghs_ alphanumeric 30
GitHub ghr_ alphanumeric 30
GitHub github_pat_ base64url 22
GitLab glpat- dotted 20
GitLab glrt- base64url 20
GitLab gldt- base64url 20
GitLab glptt- hex 40
GitLab glcbt- base64url 20
GitLab glagent- base64url 40
GitLab gloas- base64url 40
GitLab glft- base64url 20
GitLab glimt- base64url 20
GitLab glsoat- base64url 20
GitLab glffct- base64url 20
GitLabRunner GR1348941 base64url 20
npm npm_ alphanumeric =36
PyPI pypi- base64url 50
RubyGems rubygems_ hex 48
NuGet oy2 lower =43
Clojars CLOJARS_ lower 60
CratesIo cio alphanumeric =32 .75
DockerHub dckr_pat_ base64url 27
DockerHub dckr_oat_ base64url 27
Postman PMAK- base64url 50
Pulumi pul- hex 40
Sourcegraph sgp_ base64url 40
SonarQube sqp_ hex 40
SonarQube squ_ hex 40
SonarQube sqa_ hex 40
CircleCI CCIPAT_ base64url 40
CircleCI CCIPRJ_ base64url 40
Buildkite bkua_ hex 40
Octopus API- upper 26 .75
JFrog AKCp alphanumeric 60
JFrog cmVmdGtu base64url 50
Figma figd_ base64url 40
Linear lin_api_ alphanumeric 32
Linear lin_oauth_ alphanumeric 32
Notion ntn_ alphanumeric 40
Notion secret_ alphanumeric =43
Airtable pat dotted 78 .8
ReadMe rdme_ lower 60
Typeform tfp_ dotted 40
Contentful CFPAT- base64url 40
NewRelic NRAK- upper 27
NewRelic NRJS- hex 19
NewRelic NRII- base64url 32
NewRelic NRIQ- base64url 32
Grafana glsa_ base64url 32
Grafana glc_ base64 32
Sentry sntrys_ base64 60
Sentry sntryu_ hex 60
PostHog phx_ alphanumeric 40
PostHog phc_ alphanumeric 40 .7
Honeybadger hbp_ alphanumeric 30
Honeycomb hcaik_ lower 58
Dynatrace dt0c01. dotted 60
Dynatrace dt0s16. dotted 60
SendGrid SG. dotted 60
Brevo xkeysib- base64url 60
Brevo xsmtpsib- base64url 60
Mailgun key- hex =32
Mailgun pubkey- hex =32
MailerSend mlsn. dotted 60
Resend re_ base64url 28 .85
Stripe sk_live_ alphanumeric 10
Stripe sk_test_ alphanumeric 10
Stripe rk_live_ alphanumeric 10
Stripe rk_test_ alphanumeric 10
Stripe pk_live_ alphanumeric 10 .6
Stripe whsec_ base64 24
Square sq0atp- base64url 22
Square sq0csp- base64url 40
Square EAAAE base64url 59
Shopify shpat_ hex =32
Shopify shpss_ hex =32
Shopify shpca_ hex =32
Shopify shppa_ hex =32
Flutterwave FLWSECK- base64url 12
Flutterwave FLWSECK_TEST- base64url 12
Razorpay rzp_live_ alphanumeric 14
Razorpay rzp_test_ alphanumeric 14
Plaid access-production- base64url 36
Plaid access-sandbox- base64url 36
Plaid access-development- base64url 36
Mollie live_ alphanumeric 30 .8
Mollie test_ alphanumeric 30 .7
Duffel duffel_live_ base64url 40
Duffel duffel_test_ base64url 40
EasyPost EZAK alphanumeric 50
EasyPost EZTK alphanumeric 50
Shippo shippo_live_ hex 40
Shippo shippo_test_ hex 40
Lob live_pub_ hex 30
Adyen AQE base64 50 .8
Paddle pdl_live_ base64url 40
Paddle pdl_sdbx_ base64url 40
Slack xoxb- base64url 12
Slack xoxp- base64url 12
Slack xoxa- base64url 12
Slack xoxr- base64url 12
Slack xoxs- base64url 12
Slack xoxc- base64url 12
Slack xoxd- base64 12
Slack xapp- base64url 12
Slack xoxe. dotted 60
Databricks dapi hex =32
Databricks dose hex =32
Twilio SK hex =32 .6
TwilioAccount AC hex =32 .55
Facebook EAACEdEose0cBA alphanumeric 20
Facebook EAA alphanumeric 100 .8
Instagram IGQV base64url 100
X AAAAAAAAAAAAAAAAAAAAA base64 60
HubSpot pat-na1- base64url 36
HubSpot pat-eu1- base64url 36
FrameIo fio-u- base64url 60
ClickUp pk_ alphanumeric 40 .6
Dropbox sl. dotted 100
LaunchDarkly sdk- base64url 36 .7
LaunchDarkly api- base64url 36 .65
LaunchDarkly mob- base64url 36 .65
Mapbox pk.eyJ dotted 60 .7
Mapbox sk.eyJ dotted 60
Mapbox tk.eyJ dotted 60
Prefect pnu_ lower 36
OpenShift sha256~ base64url 43
Ubidots BBFF- alphanumeric 30
Adafruit aio_ alphanumeric 28
DefinedNetworking dnkey- base64url 40
Harness pat. dotted 60
Scalingo tk-us- base64url 48
SettleMint sm_pat_ alphanumeric 16
SettleMint sm_aat_ alphanumeric 16
Zuplo zpka_ base64url 40
Stytch secret-live- base64url 36
Stytch secret-test- base64url 36
Inngest signkey- base64url 40
Deno ddp_ alphanumeric 36
Deno ddw_ alphanumeric 36
Unkey unkey_ alphanumeric 20
MongoDBAtlas mdb_sa_sk_ base64url 40
CockroachDB CCDB1_ base64url 40
Elastic essu_ base64 40
Aiven AVNS_ base64url 16
Vercel vcp_ alphanumeric 24
Vercel vercel_blob_rw_ base64url 30
Trigger tr_dev_ alphanumeric 20
Trigger tr_prod_ alphanumeric 20
Svix testsk_ base64url 28
OneSignal os_v2_app_ lower 60
Voyage pa- base64url 40 .75
ElevenLabs sk_ hex =48
Modal ak- alphanumeric 22 .75
Modal as- alphanumeric 22 .75
RunPod rpa_ alphanumeric 40
Snyk snyk_ base64url 36
Semgrep sgtok_ hex 40
GitGuardian ggtt_ alphanumeric 40
Infracost ico- alphanumeric 32
Fireworks fw_ alphanumeric 22
Alchemy alcht_ alphanumeric 30
Trello ATTA hex 64
AmazonMWS amzn.mws. base64url 36
AmazonOAuth amzn1.oa2-cs.v1. hex 60
Logfire pylf_v1_ base64url 43
Materialize mzp_ hex 60
Intra42 s-s4t2ud- hex 64
WakaTime waka_ base64url 36
Lichess lip_ alphanumeric 20
VolcEngine AKLT alphanumeric 40
Persona persona_production_ base64url 20
`
