// The right side: questions for the person, the conversation of one call, talking to it.
import {html, useLayoutEffect, useRef, useState} from './vendor.js';
import {messageSoFar, stateOf} from './fold.js';
import {WORDS, css, digits, seconds, who} from './pictures.js';

const LONG = 3000, ENTRIES = 150, MENU = 24;

const pathTo = call => { const path = []; for (; call; call = call.parent) path.unshift(call); return path };
const openCalls = run => run.open.filter(call => !call.isPerson);

// Invisible characters as escapes: what a person approves must be what they see.
const visible = text => text.replace(/(?!\n)[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, one => `\\u{${one.codePointAt(0).toString(16)}}`);
const shown = value => {
  const text = typeof value === 'string' ? value : JSON.stringify(value), left = text.length - 1000;
  const quoted = part => visible(typeof value === 'string' ? JSON.stringify(part) : part);
  return left <= 0 ? quoted(text) : `${quoted(text.slice(0, 500))} [… ${left} characters are not shown …] ${quoted(text.slice(-500))}`;
};

// Of an approval, exactly what is decided on; of what is done, as a person reads it.
const Arguments = ({values, exact}) => Object.keys(values ?? {}).length > 0 && html`<dl class="code">${Object.entries(typeof values === 'string' ? {arguments: values} : values).map(([name, value]) => html`<div>
  <dt>${visible(name)}</dt><dd>${exact ? shown(value) : html`<${Text} text=${visible(typeof value === 'string' ? value : JSON.stringify(value))} most=${400}/>`}</dd></div>`)}</dl>`;

function Text({text, most = LONG}) {
  const [all, setAll] = useState(false), whole = String(text ?? ''), left = whole.length - most;
  if (left <= 0 || all) return html`<div class="text">${whole}</div>`;
  return html`<div class="text">${whole.slice(0, most)}<button class="link" onClick=${() => setAll(true)}>… ${digits(left)} more characters</button></div>`;
}

export function Questions({run, now, live, pick, post}) {
  const questions = run.questions;
  if (!questions.length || !live) return null;
  const title = questions.length === 1 ? (questions[0].kind === 'approval' ? 'You are asked to approve' : 'A question for you')
    : `${questions.length} questions for you`;
  return html`<section class="questions" aria-label="Questions for you"><h2>${title}</h2>
    ${questions.map(one => html`<${one.kind === 'approval' ? Approval : Question} key=${one.id} question=${one} now=${now} pick=${pick} post=${post}/>`)}</section>`;
}

const Head = ({question, now, pick}) => html`<div class="line"><button type="button" class="link" onClick=${() => pick(question.parent?.id)}>${question.sender}</button>
  <span class="dim">has waited ${seconds(Math.max(0, now - question.start))}</span></div>`;

function Question({question, now, pick, post}) {
  const answer = text => text && post('answer', {call: question.id, text});
  return html`<form class="card" onSubmit=${event => { event.preventDefault(); answer(event.target.answer.value.trim()) }}><${Head} question=${question} now=${now} pick=${pick}/><${Text} text=${question.text}/>
    ${question.options.length > 0 && html`<div class="row wrap">${question.options.map(option => html`<button type="button" onClick=${() => answer(option)}>${option}</button>`)}</div>`}
    <div class="row"><input name="answer" aria-label="Your answer to ${question.sender}" autocomplete="off" placeholder="Your answer"/><button class="main">Answer</button></div></form>`;
}

function Approval({question, now, pick, post}) {
  const decide = (yes, reason = '') => post('approve', {call: question.id, yes, reason});
  return html`<form class="card" onSubmit=${event => { event.preventDefault(); decide(false, event.target.reason.value.trim()) }}><${Head} question=${question} now=${now} pick=${pick}/>
    <div class="text">May ${question.sender} use the tool <b>${question.tool}</b>?</div><${Arguments} values=${question.arguments} exact/>
    <div class="row"><button type="button" class="main" onClick=${() => decide(true)}>Allow</button>
    <input name="reason" aria-label="Why ${question.sender} may not use ${question.tool}" autocomplete="off" placeholder="reason, if you refuse"/><button>Refuse</button></div></form>`;
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
      ? html`<div class="dim">${one.progress ?? 'at work …'}</div>` : html`<${Text} text=${one.text}/>`}`
    : one.kind === 'ask' && one.call.kind === 'approval' ? html`<${Arguments} values=${one.call.arguments} exact/>`
    : html`<${Text} text=${one.kind === 'draft' ? messageSoFar(one.text) : one.text}/>`;
  return html`<div class="entry ${one.kind} ${one.bad ? 'bad' : ''}"><div class="line"><span>${TITLES[one.kind](one)}</span>
    <span class="dim">${seconds(one.t)}${one.end != null ? ` · took ${seconds(one.end - one.t)}` : ''}</span></div>${body}
    ${one.files?.length > 0 && html`<div class="dim">${one.files.map(file => `${file.name ?? 'file'} (${file.type})`).join(', ')}</div>`}
    ${one.kind === 'message' && html`<div class="fate ${one.fate}">${fate(one)}</div>`}${one.kind === 'ask' && html`<div class="fate">${verdict(one.call)}</div>`}
    ${(one.kind === 'out' || one.kind === 'back') && html`<button class="link" onClick=${() => pick(one.call.id)}>show call #${one.call.number} of ${one.call.agent}</button>`}</div>`;
}

const Failure = ({error}) => html`<div class="failure" role="alert"><b>The run has failed${error.code ? ` (${error.code})` : ''}</b>
    ${[error.what, error.why, error.fix].filter(Boolean).map(text => html`<div class="text">${text}</div>`)}</div>`;

export function Conversation({run, now, chosen, live, pick, post}) {
  const list = useRef(), [all, setAll] = useState(null), stick = useRef(true);
  const log = !chosen ? [] : all === chosen.id ? chosen.log : chosen.log.slice(-ENTRIES), earlier = (chosen?.log.length ?? 0) - log.length;
  useLayoutEffect(() => { stick.current = true }, [chosen?.id]);
  useLayoutEffect(() => { if (stick.current) list.current.scrollTop = list.current.scrollHeight });
  const onScroll = ({target}) => { stick.current = target.scrollHeight - target.scrollTop - target.clientHeight < 60 };
  const path = pathTo(chosen), state = chosen && stateOf(chosen), others = chosen ? run.agents.get(chosen.agent).calls : [];
  const figures = chosen && [chosen.modelName, seconds((chosen.end ?? now) - chosen.start), chosen.input > 0 && `${digits(chosen.input)} in, ${digits(chosen.output)} out`,
    chosen.cost > 0 && `$${chosen.cost.toFixed(3)}`].filter(Boolean).join(' · ');
  return html`<section class="conversation" aria-label="Conversation"><div class="about">
    ${chosen ? html`<div class="crumbs"><span>${who(path[0].sender)}</span>${path.map(call => html`<span aria-hidden="true">→</span>${call === chosen
        ? html`<b>${who(call.agent)} #${call.number}</b>` : html`<button class="link" onClick=${() => pick(call.id)}>${who(call.agent)}</button>`}`)}</div>
      <div class="meta"><span class="pill ${css(state)}">${WORDS[state]}</span><span class="dim">${figures}</span>
        ${chosen.end === null && live && html`<button class="stop small" onClick=${() => post('stop', {call: chosen.id})}>Stop this call</button>`}</div>
      ${others.length > 1 && html`<div class="others"><span class="dim">calls</span>${others.slice(-40).map(call => html`<button key=${call.id} aria-current=${call === chosen} onClick=${() => pick(call.id)}>#${call.number}</button>`)}</div>`}`
    : html`<span class="dim">The conversation of a call is here.</span>`}</div>
    <div class="log" ref=${list} onScroll=${onScroll} tabindex="0" role="log" aria-live="off" aria-label="Entries">
      ${run.status === 'failed' && html`<${Failure} error=${run.error ?? {}}/>`}${run.problems.map(text => html`<div class="entry bad">${text}</div>`)}
      ${earlier > 0 && html`<button class="link" onClick=${() => setAll(chosen.id)}>${earlier} earlier</button>`}
      ${log.map((one, i) => html`<${Entry} key=${`${chosen.id} ${earlier + i}`} one=${one} pick=${pick}/>`)}</div></section>`;
}

export function Talk({run, chosen, live, to, setTo, pick, post}) {
  const all = live ? openCalls(run) : [], nearest = chosen && pathTo(chosen).reverse().find(call => all.includes(call));
  const near = new Set([...(chosen ? pathTo(chosen) : []), ...(chosen?.children ?? [])]);
  const menu = all.length <= MENU ? all : all.filter(call => near.has(call) || call === all[0]);
  const target = menu.find(call => call.id === to) ?? nearest ?? menu[0], off = !menu.length;
  const submit = async event => {
    event.preventDefault();
    const field = event.target.text, text = field.value.trim();
    if (!text || !target || !await post('send', {call: target.id, text})) return;
    field.value = '';
    pick(target.id);
  };
  const told = !off ? 'They read it before their next step.' : live || run.over ? 'No agent is at work.' : 'Not from here.';
  return html`<form class="talk" onSubmit=${submit}><label for="talk">Talk to an agent at work. ${told}</label><div class="row">
    <select aria-label="Send to" disabled=${off} value=${target?.id ?? ''} onChange=${event => setTo(event.target.value)}>${off && html`<option value="">no agent</option>`}
      ${menu.map(call => html`<option key=${call.id} value=${call.id}>${call.agent} #${call.number}</option>`)}</select>
    <input id="talk" name="text" autocomplete="off" placeholder="Message" disabled=${off}/><button class="main" disabled=${off}>Send</button></div></form>`;
}
