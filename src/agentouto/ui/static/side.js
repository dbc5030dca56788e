// The right side: questions for the person, the conversation of one call, talking to it.
import {html} from './vendor.js';
import {messageSoFar, stateOf} from './fold.js';
import {WORDS, css, digits, dim, escaped, readable, seconds, spent, who} from './pictures.js';

const LONG = 3000, ENTRIES = 150, MENU = 24;

const pathTo = call => { const path = []; for (; call; call = call.parent) path.unshift(call); return path };
const openCalls = run => run.open.filter(call => !call.isPerson);

// Invisible characters as escapes: what a person approves must be what they see.
const visible = text => text.replace(/(?!\n)[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, escaped);
const shown = value => {
  const text = typeof value === 'string' ? value : JSON.stringify(value), left = text.length - 1000;
  const quoted = part => visible(typeof value === 'string' ? JSON.stringify(part) : part);
  return left <= 0 ? quoted(text) : `${quoted(text.slice(0, 500))} [… ${left} characters are not shown …] ${quoted(text.slice(-500))}`;
};

const link = (words, f) => html`<button type="button" class="link" onClick=${f}>${readable(words)}</button>`;

// Of an approval, exactly what is decided on; of what is done, as a person reads it.
const Arguments = ({values = {}, exact}) => Object.keys(values).length > 0 && html`<dl class="code">${Object.entries(values).map(([name, value]) => html`<div>
  <dt>${visible(name)}</dt><dd>${exact ? shown(value) : html`<${Text} text=${visible(typeof value === 'string' ? value : JSON.stringify(value))} of=${values} most=${400}/>`}</dd></div>`)}</dl>`;

// `of` is what the text is of: while it is written, the text itself is another one with each word.
const unfolded = new WeakSet();
function Text({text, of, most = LONG}) {
  const whole = String(text ?? ''), left = whole.length - most;
  if (left <= 0 || unfolded.has(of)) return html`<div class="text">${readable(whole)}</div>`;
  return html`<div class="text">${readable(whole.slice(0, most))}${link(`… ${digits(left)} more characters`, () => unfolded.add(of))}</div>`;
}

export function Questions({run, now, live, idle, pick, post}) {
  const {questions} = run, others = idle ? run.asks.filter(one => one.agent !== 'user') : [];
  if (!live || !questions.length && !others.length) return null;
  const title = !questions.length ? 'Other people are asked' : questions.length === 1 ? (questions[0].kind === 'approval' ? 'You are asked to approve' : 'A question for you')
    : `${questions.length} questions for you`;
  return html`<section class="questions" aria-label="Questions for you"><h2>${title}</h2>
    ${questions.map(one => html`<${one.kind === 'approval' ? Approval : Question} key=${one.id} question=${one} now=${idle ? null : now} pick=${pick} post=${post}/>`)}
    ${others.map(one => html`<div class="card"><div class="line">${who(one.sender)} asks ${who(one.agent)}</div><${Text} text=${one.text} of=${one}/></div>`)}
    ${others.length > 0 && html`<p>How others answer: <code>${readable(idle.command)}</code></p>`}</section>`;
}

const Card = ({question, now, pick, submit, children}) => html`<form class="card" onSubmit=${event => { event.preventDefault(); submit(event.target.words.value.trim()) }}>
  <div class="line">${link(question.sender, () => pick(question))}${now !== null && dim(`has waited ${seconds(Math.max(0, now - question.start))}`)}</div>${children}</form>`;

function Question({question, post, ...more}) {
  const answer = text => text && post('answer', {call: question.id, text});
  return html`<${Card} question=${question} submit=${answer} ...${more}><${Text} text=${question.text} of=${question}/>
    ${question.options.length > 0 && html`<div class="row wrap">${question.options.map(option => html`<button type="button" onClick=${() => answer(option)}>${readable(option)}</button>`)}</div>`}
    <div class="row"><input name="words" aria-label="Your answer to ${who(question.sender)}" autocomplete="off" placeholder="Your answer"/><button class="main">Answer</button></div><//>`;
}

function Approval({question, post, ...more}) {
  const decide = (yes, reason = '') => post('approve', {call: question.id, yes, reason});
  return html`<${Card} question=${question} submit=${reason => decide(false, reason)} ...${more}><div class="text">May ${who(question.sender)} use the tool <b>${visible(question.tool)}</b>?</div><${Arguments} values=${question.arguments} exact/>
    <div class="row"><button type="button" class="main" onClick=${() => decide(true)}>Allow</button>
    <input name="words" aria-label="Why ${who(question.sender)} may not use ${visible(question.tool)}" autocomplete="off" placeholder="reason, if you refuse"/><button>Refuse</button></div><//>`;
}

const DRAFTS = {finish: 'writes its return', call_agent: 'writes to a peer', spawn_background_agent: 'writes to a peer', send_message: 'writes a message'};
const TITLES = {
  in: one => `from ${who(one.who)}`, out: one => `to ${who(one.who)}${one.background ? ', in the background' : ''}`,
  back: one => `${one.who} ${one.bad ? 'could not return' : 'returned'}`, text: one => one.who, thinking: () => 'thinking',
  draft: one => DRAFTS[one.who] ?? `prepares ${one.who}`, tool: one => one.who, note: one => one.who, error: one => WORDS[one.who] ?? one.who,
  ask: one => one.call.kind === 'approval' ? `asks ${who(one.who)} to approve ${one.call.tool}` : `asks ${who(one.who)}`,
  return: one => `returned to ${who(one.who)}`, message: one => `message ${who(one.who)} → ${who(one.to)}`,
  wait: one => `${one.why === 'parallel' ? 'waits for a free place' : one.why === 'gate' ? 'rate limit' : 'failed, is tried again'}${one.seconds ? `: waits ${seconds(one.seconds)}` : ''}, then try ${one.attempt}`,
};
const fate = letter => letter.fate === 'read' ? `read in turn ${letter.turn + 1}, after ${seconds(Math.max(0, letter.after))}`
  : letter.fate === 'returned' ? `came back: ${letter.reason}` : 'delivered, not read yet';
const verdict = call => call.end === null ? 'not answered yet' : call.answer === null ? `ended without an answer: ${call.error || call.outcome}` : `${who(call.agent)}: ${call.answer}`;

function Entry({one, pick}) {
  const body = one.kind === 'tool' ? html`<${Arguments} values=${one.args}/>${one.text === null
      ? html`<div class="dim">${readable(one.progress ?? 'at work …')}</div>` : html`<${Text} text=${one.text} of=${one}/>`}`
    : one.kind === 'ask' && one.call.kind === 'approval' ? html`<${Arguments} values=${one.call.arguments} exact/>`
    : html`<${Text} text=${one.kind === 'draft' ? messageSoFar(one.text) : one.text} of=${one}/>`;
  return html`<div class="entry ${one.kind} ${one.bad ? 'bad' : ''}"><div class="line"><span>${readable(TITLES[one.kind](one))}</span>
    ${dim(seconds(one.t) + (one.end != null ? ` · took ${seconds(one.end - one.t)}` : ''))}</div>${body}
    ${one.files?.length > 0 && html`<div class="dim">${readable(one.files.map(file => `${file.name ?? 'file'} (${file.type})`).join(', '))}</div>`}
    ${one.kind === 'message' && html`<div class="fate ${one.fate}">${readable(fate(one))}</div>`}${one.kind === 'ask' && html`<div class="fate">${readable(verdict(one.call))}</div>`}
    ${(one.kind === 'out' || one.kind === 'back') && html`${link(`show call #${one.call.number} of ${one.call.agent}`, () => pick(one.call))}`}</div>`;
}

const Failure = ({error}) => html`<div class="failure" role="alert"><b>The run has failed${error.code ? ` (${error.code})` : ''}</b>
    ${[error.what, error.why, error.fix].filter(Boolean).map(text => html`<div class="text">${readable(text)}</div>`)}</div>`;

export function Conversation({run, now, chosen, live, whole, pick, post, put, onScroll}) {
  const log = !chosen ? [] : whole === chosen.id ? chosen.log : chosen.log.slice(-ENTRIES), earlier = (chosen?.log.length ?? 0) - log.length;
  const path = pathTo(chosen), state = chosen && stateOf(chosen), others = chosen ? run.agents.get(chosen.agent).calls : [];
  const figures = chosen && [chosen.modelName, seconds((chosen.end ?? now) - chosen.start), ...spent([chosen], 3)].filter(Boolean).join(' · ');
  return html`<section class="conversation" aria-label="Conversation"><div class="about">
    ${chosen ? html`<div class="crumbs"><span>${who(path[0].sender)}</span>${path.map(call => html`<span aria-hidden="true">→</span>${call === chosen
        ? html`<b>${who(call.agent)} #${call.number}</b>` : html`${link(who(call.agent), () => pick(call))}`}`)}</div>
      <div class="meta"><span class="pill ${css(state)}">${WORDS[state]}</span>${dim(figures)}
        ${chosen.end === null && live && html`<button class="stop small" onClick=${() => post('stop', {call: chosen.id})}>Stop this call</button>`}</div>
      ${others.length > 1 && html`<div class="others">${dim('calls')}${others.slice(-40).map(call => html`<button key=${call.id} aria-current=${call === chosen} onClick=${() => pick(call)}>#${call.number}</button>`)}</div>`}`
    : dim('The conversation of a call is here.')}</div>
    <div class="log" id="log" onScroll=${onScroll} tabindex="0" role="log" aria-live="off" aria-label="Entries">
      ${run.status === 'failed' && html`<${Failure} error=${run.error ?? {}}/>`}${run.problems.map(text => html`<div class="entry bad">${readable(text)}</div>`)}
      ${earlier > 0 && html`${link(`${earlier} earlier`, () => put({whole: chosen.id}))}`}
      ${log.map((one, i) => html`<${Entry} key=${`${chosen.id} ${earlier + i}`} one=${one} pick=${pick}/>`)}</div></section>`;
}

export function Talk({run, chosen, live, to, pick, post, put}) {
  const all = live ? openCalls(run) : [], nearest = chosen && pathTo(chosen).reverse().find(call => all.includes(call));
  const near = new Set([...(chosen ? pathTo(chosen) : []), ...(chosen?.children ?? [])]);
  const menu = all.length <= MENU ? all : all.filter(call => near.has(call) || call === all[0]);
  const target = menu.find(call => call.id === to) ?? nearest ?? menu[0], off = !menu.length;
  const submit = async event => {
    event.preventDefault();
    const field = event.target.text, text = field.value.trim();
    if (!text || !target || !await post('send', {call: target.id, text})) return;
    field.value = '';
    pick(target);
  };
  const told = !off ? 'They read it before their next step.' : live || run.over ? 'No agent is at work.' : 'Not in the past, and not without a connection.';
  return html`<form class="talk" onSubmit=${submit}><label for="talk">Talk to an agent at work. ${told}</label><div class="row">
    <select aria-label="Send to" disabled=${off} value=${target?.id ?? ''} onChange=${event => put({talkTo: event.target.value})}>${off && html`<option value="">no agent</option>`}
      ${menu.map(call => html`<option key=${call.id} value=${call.id}>${who(call.agent)} #${call.number}</option>`)}</select>
    <input id="talk" name="text" autocomplete="off" placeholder="Message" disabled=${off}/><button class="main" disabled=${off}>Send</button></div></form>`;
}
