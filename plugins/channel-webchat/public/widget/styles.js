/**
 * The look of the chat. Pages adapt it through custom properties on the element: --throughline-accent,
 * --throughline-accent-text, --throughline-font, --throughline-radius, and the parts launcher, panel, input, send, message.
 */
export const css = `
:host {
  all: initial;
  color-scheme: light dark;
  --accent: var(--throughline-accent, #3451d1);
  --accent-text: var(--throughline-accent-text, #fff);
  --radius: var(--throughline-radius, 18px);
  --surface: #fff;
  --soft: #f1f2f5;
  --line: #e2e4ea;
  --text: #1b1e27;
  --quiet: #5d6373;
  --good: #1a7f45;
  --bad: #b3261e;
  --edge: var(--accent);
  --warm: #fff4dc;
  --warm-text: #6b4700;
  --shadow: 0 1px 2px rgb(16 20 38 / .08), 0 18px 48px -8px rgb(16 20 38 / .28);
  font: 400 15px/1.45 var(--throughline-font, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif);
  color: var(--text);
}
@media (prefers-color-scheme: dark) {
  :host(:not([theme='light'])) {
    --surface: #1a1c22; --soft: #272a33; --line: #363a46; --text: #eceef4; --quiet: #a3a9b8;
    --good: #63d18f; --bad: #ff8a80; --edge: color-mix(in srgb, var(--accent) 55%, #fff); --warm: #3a2f17; --warm-text: #ffdc96;
    --shadow: 0 1px 2px rgb(0 0 0 / .5), 0 18px 48px -8px rgb(0 0 0 / .7);
  }
}
:host([theme='light']) { color-scheme: light; }
:host([theme='dark']) {
  color-scheme: dark;
  --surface: #1a1c22; --soft: #272a33; --line: #363a46; --text: #eceef4; --quiet: #a3a9b8;
  --good: #63d18f; --bad: #ff8a80; --edge: color-mix(in srgb, var(--accent) 55%, #fff); --warm: #3a2f17; --warm-text: #ffdc96;
  --shadow: 0 1px 2px rgb(0 0 0 / .5), 0 18px 48px -8px rgb(0 0 0 / .7);
}
:host([hidden]) { display: none; }
:host([inline]) { display: block; height: 560px; }
*, *::before, *::after { box-sizing: border-box; }
[hidden] { display: none !important; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
button, input, textarea { font: inherit; color: inherit; }
button { cursor: pointer; border: 0; background: none; padding: 0; }
svg { width: 22px; height: 22px; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; display: block; }
:focus { outline: none; }
:focus-visible { outline: 2px solid var(--edge); outline-offset: 2px; }

.launcher {
  position: fixed; inset-block-end: max(20px, env(safe-area-inset-bottom)); inset-inline-end: 20px; z-index: 2147483000;
  width: 60px; height: 60px; border-radius: 50%; background: var(--accent); color: var(--accent-text);
  display: grid; place-items: center; box-shadow: var(--shadow); transition: transform .15s ease;
}
.launcher:hover { transform: translateY(-2px); }
.launcher:active { transform: none; }
.launcher:focus-visible { outline: 3px solid var(--surface); box-shadow: 0 0 0 6px var(--accent); }
.launcher svg { width: 28px; height: 28px; }
.launcher > span:not(.badge) { grid-area: 1 / 1; transition: opacity .15s, transform .2s; }
.launcher .when-open, .launcher.is-open .when-closed { opacity: 0; transform: rotate(-45deg) scale(.6); }
.launcher.is-open .when-open { opacity: 1; transform: none; }
.badge {
  position: absolute; inset-block-start: -2px; inset-inline-end: -2px; min-width: 22px; height: 22px; padding: 0 6px;
  border-radius: 11px; background: #c62828; color: #fff; font-size: 12px; font-weight: 700; line-height: 22px; text-align: center;
}

.panel {
  position: fixed; z-index: 2147483000; inset-inline-end: 20px; inset-block-end: calc(max(20px, env(safe-area-inset-bottom)) + 74px);
  width: 384px; height: min(640px, calc(100dvh - 118px)); display: flex; flex-direction: column; overflow: hidden;
  background: var(--surface); border-radius: var(--radius); box-shadow: var(--shadow);
  animation: rise .18s ease-out;
}
@keyframes rise { from { opacity: 0; transform: translateY(10px) scale(.985); } }
.panel.inline { position: static; width: 100%; height: 100%; border: 1px solid var(--line); box-shadow: none; animation: none; }
header { display: flex; align-items: center; gap: 12px; padding: 14px 14px 14px 16px; background: var(--accent); color: var(--accent-text); }
.mark { flex: none; width: 38px; height: 38px; border-radius: 12px; display: grid; place-items: center; background: rgb(255 255 255 / .16); }
.heading { flex: 1; min-width: 0; }
h2 { margin: 0; font-size: 16px; font-weight: 650; line-height: 1.25; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.status { margin: 1px 0 0; font-size: 12.5px; line-height: 1.35; display: flex; align-items: center; gap: 6px; overflow: hidden; white-space: nowrap; }
.status::before { content: ''; flex: none; width: 8px; height: 8px; border-radius: 50%; background: currentColor; opacity: .55; }
.status[data-state='online']::before { background: #6ee7a0; opacity: 1; }
.status[data-state='offline']::before, .status[data-state='refused']::before { background: #ffcf70; opacity: 1; }
.round { flex: none; width: 36px; height: 36px; border-radius: 10px; display: grid; place-items: center; }
.round:hover { background: rgb(255 255 255 / .16); }
.round:focus-visible { outline-color: currentColor; outline-offset: -2px; }
.banner { padding: 9px 16px; background: var(--warm); color: var(--warm-text); font-size: 13.5px; }

.middle { position: relative; flex: 1; min-height: 0; }
.log { height: 100%; overflow-y: auto; overscroll-behavior: contain; padding: 16px 16px 12px; scrollbar-width: thin; }
.log:focus-visible { outline-offset: -3px; }
.day { margin: 14px 0 10px; text-align: center; font-size: 12px; color: var(--quiet); }
.list > .day:first-child { margin-top: 4px; }
.message { display: flex; flex-direction: column; align-items: flex-start; gap: 4px; max-width: 86%; margin-block-start: 3px; animation: appear .16s ease-out; }
.message.redrawn { animation: none; }
@keyframes appear { from { opacity: 0; transform: translateY(4px); } }
.message.in { margin-inline-start: auto; align-items: flex-end; }
.message.first { margin-block-start: 12px; }
.author { font-size: 12.5px; font-weight: 600; color: var(--quiet); padding-inline: 4px; }
.bubble, .card, .media, .file { border-radius: 16px; background: var(--soft); overflow-wrap: anywhere; }
.bubble { padding: 9px 13px; white-space: pre-line; unicode-bidi: plaintext; }
.in .bubble { background: var(--accent); color: var(--accent-text); }
.in.last .bubble:last-of-type { border-end-end-radius: 5px; }
.out.last .bubble:last-of-type { border-end-start-radius: 5px; }
.message[data-state='sending'] .bubble { opacity: .65; }
.message[data-state='failed'] .bubble { background: transparent; color: var(--text); box-shadow: inset 0 0 0 1.5px var(--bad); }
.bubble.gone, .in .bubble.gone { background: transparent; color: var(--quiet); box-shadow: inset 0 0 0 1px var(--line); font-style: italic; }
.reactions { display: flex; flex-wrap: wrap; gap: 4px; padding-inline: 4px; }
.reactions span { padding: 0 7px; border-radius: 11px; border: 1px solid var(--line); background: var(--surface); font-size: 13px; line-height: 20px; }
.bubble a, figcaption a, .card p a { color: inherit; text-decoration: underline; text-underline-offset: 2px; }
code, pre { font: .9em/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
code { padding: 1px 5px; border-radius: 5px; background: rgb(128 128 128 / .18); }
pre { margin: 6px 0; padding: 9px 11px; border-radius: 9px; background: rgb(128 128 128 / .16); overflow-x: auto; white-space: pre; }
.meta { font-size: 12px; color: var(--quiet); padding-inline: 4px; }
.meta.failed { color: var(--bad); display: flex; gap: 8px; align-items: center; }
.retry { color: var(--bad); font-weight: 650; text-decoration: underline; text-underline-offset: 2px; min-height: 24px; }

.stack { display: flex; flex-direction: column; gap: 8px; max-width: 100%; align-items: inherit; }
.choices { display: flex; flex-wrap: wrap; gap: 7px; }
.choice {
  padding: 7px 14px; min-height: 36px; border-radius: 18px; border: 1.5px solid var(--edge); color: var(--text); background: var(--surface);
  font-size: 14px; font-weight: 600; line-height: 20px; text-align: start; text-decoration: none;
}
.choice:hover:not(:disabled) { background: var(--accent); color: var(--accent-text); }
.choice:disabled { border-color: var(--line); color: var(--quiet); cursor: default; font-weight: 500; }
.card { overflow: hidden; width: 252px; max-width: 100%; border: 1px solid var(--line); background: var(--surface); }
.card img { width: 100%; height: 140px; object-fit: cover; background: var(--soft); border-radius: 0; }
.card-text { padding: 11px 13px; }
.card-text strong { display: block; font-weight: 650; }
.card-text p { margin: 3px 0 0; font-size: 14px; color: var(--quiet); white-space: pre-line; }
.card .choices { padding: 0 13px 13px; }
.carousel { display: flex; gap: 10px; width: 352px; max-width: calc(100vw - 40px); overflow-x: auto; scroll-snap-type: x proximity; padding-block: 2px 8px; scrollbar-width: thin; }
.carousel .card { flex: none; width: 216px; scroll-snap-align: start; display: flex; flex-direction: column; }
.carousel .card .choices { margin-top: auto; }
.message:has(.carousel) { max-width: 100%; }
.media { margin: 0; overflow: hidden; }
.media a:not(.file) { display: block; }
.media img, .media video { display: block; max-width: 100%; max-height: 300px; }
.media img { min-width: 80px; min-height: 60px; }
.media audio { display: block; width: 260px; max-width: 100%; }
figcaption { padding: 8px 13px; font-size: 14px; }
.file { display: grid; grid-template-columns: auto 1fr; column-gap: 11px; align-items: center; padding: 10px 14px 10px 11px; color: var(--text); text-decoration: none; }
.file:hover span { text-decoration: underline; }
.file svg { grid-row: 1 / 3; width: 26px; height: 26px; color: var(--quiet); }
.file span { font-weight: 600; line-height: 1.3; }
.file small { font-size: 12.5px; color: var(--quiet); line-height: 1.3; }
.file small:empty { display: none; }

.wait { margin-block-start: 12px; font-size: 13.5px; color: var(--quiet); text-align: center; }
.typing { display: inline-flex; gap: 4px; margin-block-start: 12px; padding: 13px 14px; border-radius: 16px 16px 16px 5px; background: var(--soft); position: relative; }
.typing i { width: 7px; height: 7px; border-radius: 50%; background: var(--quiet); animation: wave 1.2s infinite ease-in-out; }
.typing i:nth-of-type(2) { animation-delay: .15s; }
.typing i:nth-of-type(3) { animation-delay: .3s; }
@keyframes wave { 0%, 60%, 100% { opacity: .35; transform: none; } 30% { opacity: 1; transform: translateY(-3px); } }
.jump {
  position: absolute; inset-block-end: 12px; inset-inline-end: 14px; width: 38px; height: 38px; border-radius: 50%;
  display: grid; place-items: center; background: var(--surface); border: 1px solid var(--line); box-shadow: 0 4px 14px rgb(16 20 38 / .18);
}
.jump svg { width: 18px; height: 18px; }

.ask { margin-block-start: 16px; padding: 13px 14px 14px; border: 1px solid var(--line); border-radius: 14px; display: grid; gap: 9px; }
.ask p { margin: 0; font-size: 13.5px; color: var(--quiet); }
.ask label { display: grid; grid-template-columns: 62px 1fr; align-items: center; gap: 8px; font-size: 13.5px; font-weight: 600; }
.ask input { width: 100%; min-width: 0; height: 36px; padding: 0 10px; border: 1px solid var(--line); border-radius: 9px; background: var(--surface); font-weight: 400; }
.ask input:focus-visible, .composer:focus-within { outline: 2px solid var(--edge); outline-offset: -1px; }
.ask button { justify-self: end; height: 34px; padding: 0 16px; border-radius: 9px; background: var(--soft); font-size: 13.5px; font-weight: 650; }
.ask button:hover { background: var(--line); }
.composer { display: flex; align-items: flex-end; gap: 8px; margin: 0 12px max(12px, env(safe-area-inset-bottom)); padding: 6px 6px 6px 14px; border: 1px solid var(--line); border-radius: 24px; background: var(--surface); }
.composer textarea { flex: 1; min-width: 0; border: 0; padding: 6px 0; resize: none; background: none; line-height: 22px; height: 34px; max-height: 140px; }
.composer textarea::placeholder { color: var(--quiet); opacity: 1; }
.composer textarea:focus-visible { outline: none; }
.send { flex: none; width: 36px; height: 36px; border-radius: 50%; display: grid; place-items: center; background: var(--accent); color: var(--accent-text); transition: opacity .12s; }
.send:disabled { background: var(--soft); color: var(--quiet); cursor: default; }
.send svg { width: 19px; height: 19px; stroke-width: 2; }

@media (max-width: 480px) {
  .panel:not(.inline) { inset: 0; width: auto; height: 100dvh; border-radius: 0; }
  .panel:not(.inline) header { padding-top: max(14px, env(safe-area-inset-top)); }
  .launcher.is-open { display: none; }
  .composer textarea, .ask input { font-size: 16px; }
}
@media (prefers-reduced-motion: reduce) {
  *, *::before, *::after { animation: none !important; transition: none !important; }
}
@media (forced-colors: active) {
  .bubble, .launcher, .send, header { border: 1px solid; }
}
`
