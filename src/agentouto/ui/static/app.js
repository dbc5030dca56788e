// The page: one state, fed by one stream of event lines, drawn at most once in each frame.
import {html, render, useLayoutEffect, useRef, useState} from './vendor.js';
import {LIMITED, PERSON, TOOL, Run, critical, held, spentOn} from './fold.js';
import {Events, Lanes, Matrix, Ring, Sequence, Fixed, WORDS, css, cut, digits, plural, seconds, who} from './pictures.js';
import {Conversation, Questions, Talk} from './side.js';

const RING_AT_MOST = 13, CHIPS = 4, HIDDEN_MS = 5000;
const S = {run: new Run(), lines: [], id: null, chosen: null, tab: 'map', focus: '', path: false, at: null, playing: false,
  connection: 'ok', team: null, runs: [], error: '', event: null, talkTo: null, offset: null};
const root = document.getElementById('app');
let isDirty = false, source = null, away = 0;

function draw() {
  if (isDirty) return;
  isDirty = true;
  requestAnimationFrame(() => { isDirty = false; render(html`<${App}/>`, root) });
}
const put = change => { Object.assign(S, change); draw() };

async function get(address) {
  const response = await fetch(address);
  if (!response.ok) throw Error(await response.text());
  return response.json();
}

async function send(address, body) {
  try {
    const response = await fetch(address, {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify(body)});
    if (!response.ok) throw Error(await response.text());
    put({error: ''});
    return await response.json();
  } catch (error) {
    put({error: error instanceof TypeError ? 'agentouto ui does not answer' : error.message});
    return null;
  }
}
const post = (verb, body) => send(`api/runs/${S.id}/${verb}`, body);
const listRuns = async () => { try { put({runs: await get('api/runs')}) } catch { /* the header says that the server is gone */ } };

const clock = () => performance.now() / 1000;
const after = () => { const last = S.lines.at(-1); return last ? `?after=${last.seq}.${last.part ?? 0}` : '' };

function take(lines) {
  for (const line of lines) {
    S.lines.push(line);
    if (S.at === null) S.run.feed(line);
  }
  if (lines.length) S.offset = Math.min(S.offset ?? Infinity, clock() - lines.at(-1).t);
  draw();
}

function connect() {
  source = new EventSource(`api/runs/${S.id}/events${after()}`);
  const mine = source, close = change => { mine.close(); if (source === mine) { source = null; put(change) } };
  mine.onmessage = ({data}) => { S.connection = 'ok'; take(JSON.parse(data)) };
  mine.addEventListener('restart', () => put({run: new Run(), lines: [], at: null}));
  mine.addEventListener('end', () => { close({connection: S.run.over ? 'ok' : 'cut'}); listRuns() });
  mine.addEventListener('gone', () => close({connection: 'gone'}));
  mine.onerror = () => mine.readyState === EventSource.CLOSED ? close({connection: 'gone'}) : put({connection: 'lost'});
}

function open(id) {
  put({id, run: new Run(), lines: [], chosen: null, at: null, playing: false, focus: '', event: null, talkTo: null, offset: null, connection: 'ok', error: ''});
  follow();
}

// A browser opens six connections to one host, so a tab that is not looked at asks now and then.
function follow() {
  clearInterval(away);
  source?.close();
  source = null;
  if (!S.id || S.run.over) return;
  if (!document.hidden) return connect();
  away = setInterval(ask, HIDDEN_MS);
  ask();
}

async function ask() {
  try {
    const response = await fetch(`api/runs/${S.id}/events${after()}`, {headers: {accept: 'application/x-ndjson'}});
    if (response.ok) take((await response.text()).split('\n').filter(Boolean).map(line => JSON.parse(line)));
  } catch { S.connection = 'lost' }
  document.title = titleOf(S.run);  // nothing is drawn in a hidden tab
  if (S.run.over) clearInterval(away);
}
document.addEventListener('visibilitychange', follow);

async function start(text, to, continues, resume = '') {
  const made = await send('api/runs', {text, to, history_of: continues ? S.id : '', resume});
  if (made) { open(made.id); listRuns() }
  return made;
}

function scrub(n) {
  const at = n === null || n >= S.lines.length ? null : n;
  put({at, run: new Run().feedAll(at === null ? S.lines : S.lines.slice(0, at))});
}

function replay() {
  if (S.playing) return put({playing: false});
  if (S.at === null) scrub(1);
  S.playing = true;
  const began = clock() - S.run.now;
  const step = () => {
    if (!S.playing) return;
    const t = clock() - began;
    while (S.at < S.lines.length && S.lines[S.at].t <= t) S.run.feed(S.lines[S.at++]);
    if (S.at >= S.lines.length) return put({at: null, playing: false});
    draw();
    requestAnimationFrame(step);
  };
  step();
}

const nowOf = run => run.over || S.offset === null || S.at !== null || STOPPED[S.connection] ? run.now : Math.max(run.now, clock() - S.offset);
const titleOf = run => `${run.questions.length ? `(${run.questions.length}) ` : ''}${run.text ? `${cut(run.text, 40)} · ` : ''}agentouto`;
const pick = id => id && put({chosen: id, talkTo: null});
const pickCall = (run, id) => { const call = run.calls.get(id); pick(call.isPerson ? call.parent?.id : id) };

const NEWS = {return: 'returned to', ask: 'asks', error: 'could not return to'};
const newsOf = run => {
  const last = run.messages.findLast(one => one.kind in NEWS);
  return run.over ? `The run has ended: ${STATUS[run.status]}` : last ? `${who(last.from)} ${NEWS[last.kind]} ${who(last.to)}: ${cut(last.text, 200)}` : '';
};

function App() {
  const run = S.run, now = nowOf(run), live = S.at === null && !run.over && !STOPPED[S.connection];
  const chosen = run.calls.get(S.chosen) ?? run.questions[0]?.parent ?? run.roots[0] ?? null;
  const shared = {run, now, chosen, live, pick, post};
  document.title = titleOf(run);
  return html`<div class="app"><${Header} ...${shared}/><${Left}/>
    <main>${run.count ? html`<${Waits} ...${shared}/><${Stage} ...${shared}/>` : html`<${Nothing}/>`}</main>
    <aside aria-label="Questions and conversation"><${Questions} ...${shared}/><${Conversation} ...${shared}/><${Talk} ...${shared} to=${S.talkTo} setTo=${id => put({talkTo: id})}/></aside>
    <div class="hidden" aria-live="polite">${S.at === null && newsOf(run)}</div></div>`;
}

const TROUBLE = {lost: 'connection lost, trying again', gone: 'agentouto ui has ended'}, STOPPED = {gone: 1, cut: 1};
const FORMS = {html: 'Report', svg: 'Picture', mmd: 'Mermaid', jsonl: 'JSON lines'};
const STATUS = {none: 'no run', running: 'running', you: 'waits for you', completed: 'returned', failed: 'failed', cancelled: 'stopped', lost: 'ended without an end'};

function Header({run, now, live}) {
  const status = run.status !== 'running' ? run.status : S.connection === 'cut' ? 'lost' : run.questions.length ? 'you' : 'running';
  const calls = run.all.filter(call => !call.isPerson), sum = name => calls.reduce((all, call) => all + call[name], 0);
  const input = sum('input'), output = sum('output'), cost = sum('cost');
  return html`<header><h1>agentouto</h1><span class="pill ${status}">${STATUS[status]}</span><span class="what" title=${run.text}>${run.text}</span>
    ${TROUBLE[S.connection] && html`<span class="pill failed" role="status">${TROUBLE[S.connection]}</span>`}
    ${S.error && html`<span class="problem" role="alert">${S.error}</span>`}
    ${run.count > 0 && html`<span class="figures"><span>${seconds(now)}</span><span>${plural(calls.length, 'call')}</span>
      ${input + output > 0 && html`<span>${digits(input)} in · ${digits(output)} out</span>`}${cost > 0 && html`<span>$${cost.toFixed(2)}</span>`}</span>`}
    ${live && run.count > 0 && html`<button class="stop" onClick=${() => post('stop', {})}>Stop</button>`}
    ${run.count > 0 && html`<details class="save"><summary>Save</summary>${Object.entries(FORMS).map(([form, name]) => html`<a download href="api/runs/${S.id}/report.${form}">${name}</a>`)}</details>`}
    ${status === 'lost' && html`<button onClick=${() => start(run.text, [], false, S.id)}>Resume</button>`}</header>`;
}

function Left() {
  const {team, run} = S, [picked, setPicked] = useState(null), [continues, setContinues] = useState(false), field = useRef();
  useLayoutEffect(() => { if (team?.message && field.current && !field.current.value) field.current.value = team.message }, [team]);
  const to = picked ?? new Set(team?.start ?? []), off = !!team?.why_not || S.connection === 'gone';
  const submit = async event => {
    event.preventDefault();
    const text = field.current.value.trim();
    if (text && !off && await start(text, [...to], continues && run.over)) { field.current.value = ''; setContinues(false) }
  };
  const toggle = name => { const names = new Set(to); if (!names.delete(name)) names.add(name); setPicked(names) };
  return html`<nav aria-label="Runs"><form onSubmit=${submit}><label for="message">Message to the team</label>
    <textarea id="message" ref=${field} rows="3" placeholder="What should be done?" onKeyDown=${event => { if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) event.target.form.requestSubmit() }}/>
    ${team?.agents.length > 1 && html`<details><summary>to ${to.size > 3 ? plural(to.size, 'agent') : [...to].join(', ') || 'no agent'}</summary>
      <div class="to">${team.agents.map(agent => html`<label><input type="checkbox" checked=${to.has(agent.name)} onChange=${() => toggle(agent.name)}/>${agent.name}</label>`)}</div></details>`}
    ${run.over && html`<label class="check"><input type="checkbox" checked=${continues} onChange=${event => setContinues(event.target.checked)}/>continue the run on screen</label>`}
    <button class="main" disabled=${off || (team && !to.size)}>Start</button>
    ${team?.why_not && team.agents.length > 0 && html`<p class="problem">${team.why_not}</p>`}${team?.limits && html`<p class="dim">Limits of a run: ${team.limits}</p>`}</form>
    <h2>Runs</h2>${S.runs.length ? html`<ul>${S.runs.slice(0, 200).map(one => html`<li key=${one.id}><button aria-current=${one.id === S.id} onClick=${() => open(one.id)}>
      <span>${cut(one.text, 80)}</span><small>${STATUS[one.status]}${one.at ? ` · ${new Date(one.at * 1000).toTimeString().slice(0, 5)}` : ''}${one.seconds ? ` · ${seconds(one.seconds)}` : ''}${one.own ? '' : ' · another process'}</small></button></li>`)}</ul>`
      : html`<p class="dim">None yet.</p>`}</nav>`;
}

function Waits({run, now}) {
  if (run.over) {
    const path = critical(run);
    return html`<section class="waits" aria-label="Where the time went"><h2>Where the time went</h2><div class="chips">${spentOn(path).slice(0, CHIPS).map(one => html`<button
      class="chip ${css(one.doing)}" onClick=${() => pickCall(run, one.call)}><b>${Math.round(100 * one.share)} %</b> ${who(one.agent)}${one.doing === PERSON ? '' : `: ${one.detail || WORDS[one.doing]}`} <small>${seconds(one.seconds)}</small></button>`)}
      <label class="chip"><input type="checkbox" checked=${S.path} onChange=${event => put({path: event.target.checked, tab: event.target.checked ? 'time' : S.tab})}/>show the path</label></div></section>`;
  }
  const groups = grouped(run, held(run)), more = groups.slice(CHIPS).reduce((sum, group) => sum + group.entries.length, 0);
  return html`<section class="waits" aria-label="Everyone waits for"><h2>Everyone waits for</h2><div class="chips">${groups.slice(0, CHIPS).map(group => html`<${Chip} key=${group.key} run=${run} now=${now} group=${group}/>`)}
    ${more > 0 && html`<span class="dim">and ${plural(more, 'call')} more</span>`}</div></section>`;
}

const wordFor = doing => WORDS[doing].replace('waits', 'wait').replace('uses a tool', 'use tools');

// You first, all questions in one chip; more than four others are grouped by what they do.
function grouped(run, entries) {
  const isYou = one => one.agent === 'user' && one.doing === PERSON, others = entries.filter(one => !isYou(one)), byKey = new Map();
  const isMany = others.length > CHIPS - (others.length < entries.length);
  for (const one of entries) {
    const key = isYou(one) ? 'you' : isMany ? one.doing : one.call, group = byKey.get(key) ?? {key, doing: one.doing, entries: [], holds: new Set(), since: one.since};
    group.entries.push(one);
    for (const id of one.holds) group.holds.add(id);
    group.since = Math.min(group.since, one.since);
    byKey.set(key, group);
  }
  return [...byKey.values()].sort((a, b) => (b.key === 'you') - (a.key === 'you') || b.holds.size - a.holds.size);
}

function Chip({run, now, group}) {
  const [first] = group.entries, call = run.calls.get(first.call), many = group.entries.length > 1, you = group.key === 'you';
  const names = [...new Set(group.entries.map(one => who(one.agent)))], until = Math.min(...group.entries.map(one => run.calls.get(one.call).until || Infinity)) - now;
  const heldNames = [...new Set([...group.holds].map(id => run.calls.get(id).agent))], n = group.holds.size;
  const title = you ? 'you' : many ? `${group.entries.length} calls` : who(first.agent);
  const doing = you ? plural(run.questions.length, 'question') : group.doing === TOOL && !many ? `uses ${first.detail}` : many ? wordFor(group.doing) : WORDS[group.doing];
  const holds = n ? many && !you ? ` · hold up ${plural(n, 'call')}` : ` · holds up ${heldNames.slice(0, 2).join(', ')}${heldNames.length > 2 ? ` +${heldNames.length - 2}` : ''}` : '';
  return html`<button class="chip ${you ? 'you' : css(group.doing)}" onClick=${() => pickCall(run, call.id)}><b>${title}</b> ${doing} <small>${
    many && !you ? `${names.slice(0, 2).join(', ')}${names.length > 2 ? ` +${names.length - 2}` : ''}` : seconds(Math.max(0, now - group.since))}${group.doing === LIMITED && until > .05 && until < 1e6 ? ` · next in ${seconds(until)}` : ''}${holds}</small></button>`;
}

function Stage({run, now, chosen, live}) {
  const stage = useRef(), low = useRef(), [box, setBox] = useState({width: 800, height: 400, low: 800}), [top, setTop] = useState(0);
  const many = run.agents.size > RING_AT_MOST, tabs = {map: many ? 'Matrix' : 'Map', sequence: 'Sequence', time: 'Time', events: 'Events'};
  useLayoutEffect(() => {
    const measure = () => setBox({width: stage.current.clientWidth - 28, height: stage.current.clientHeight - 16, low: (low.current ?? stage.current).clientWidth - 28});
    const observer = new ResizeObserver(measure);
    measure();
    observer.observe(stage.current);
    return () => observer.disconnect();
  }, [S.tab, many]);
  useLayoutEffect(() => { stage.current.scrollTop = 0; setTop(0) }, [S.tab, S.focus]);
  useLayoutEffect(() => {
    const one = stage.current;
    if ((S.tab === 'sequence' || S.tab === 'events') && live && one.scrollHeight - one.scrollTop - one.clientHeight < 160) one.scrollTop = one.scrollHeight;
  });
  const turn = event => {
    const names = Object.keys(tabs), step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!step) return;
    const next = names[(names.indexOf(S.tab) + step + names.length) % names.length];
    put({tab: next});
    document.getElementById(`tab-${next}`).focus();
  };
  const view = {run, now, chosen, focus: S.focus, pick, setFocus: name => put({focus: name ?? ''})};
  const lines = S.at === null ? S.lines : S.lines.slice(0, S.at);
  const pictures = {
    map: () => many ? html`<${Matrix} view=${view} width=${box.width}/>` : html`<${Ring} view=${view} box=${box}/>`,
    sequence: () => html`<${Sequence} view=${view} top=${top} box=${box}/>`,
    time: () => html`<${Lanes} view=${view} width=${box.width} path=${S.path}/><${Fixed} id="time-key"/>`,
    events: () => html`<${Events} lines=${lines} view=${view} top=${top} box=${box} marked=${S.event} choose=${event => put({event})}/>`,
  };
  return html`<div class="tabs"><div role="tablist" aria-label="Pictures" onKeyDown=${turn}>${Object.entries(tabs).map(([name, word]) => html`<button role="tab" id="tab-${name}" aria-controls="stage"
      tabindex=${S.tab === name ? 0 : -1} aria-selected=${S.tab === name} onClick=${() => put({tab: name})}>${word}</button>`)}</div>
    <label class="only">only <select value=${S.focus} onChange=${event => put({focus: event.target.value})}><option value="">everyone</option>${[...run.agents.keys()].map(name => html`<option value=${name}>${who(name)}</option>`)}</select></label></div>
    <section class="stage ${S.tab}" id="stage" ref=${stage} role="tabpanel" aria-labelledby="tab-${S.tab}" tabindex="0" onScroll=${event => S.tab !== 'map' && setTop(event.target.scrollTop)}>${pictures[S.tab]()}</section>
    ${S.tab === 'events' && S.event && html`<pre class="line-json" tabindex="0" aria-label="The event as JSON">${JSON.stringify(S.event, null, 2)}</pre>`}
    ${(S.tab === 'map' || S.tab === 'sequence') && !many && html`<section class="low" ref=${low} aria-label="Time" tabindex="0"><${Lanes} view=${view} width=${box.low} path=${S.path}/></section>`}
    <div class="scrub"><button onClick=${replay} disabled=${live && S.at === null}>${S.playing ? 'Pause' : 'Replay'}</button>
      <input type="range" aria-label="Moment of the run" aria-valuetext=${seconds(run.now)} min="0" max=${S.lines.length} value=${S.at ?? S.lines.length} onInput=${event => { S.playing = false; scrub(Number(event.target.value)) }}/>
      <span class="dim">${S.at === null ? (live ? 'live' : 'the end') : seconds(run.now)}</span>${S.at !== null && html`<button onClick=${() => { S.playing = false; scrub(null) }}>${S.lines.at(-1)?.type === 'run.end' ? 'To the end' : 'Back to live'}</button>`}</div>`;
}

function Nothing() {
  const team = S.team;
  if (!team) return null;
  if (!team.agents.length) return html`<div class="nothing"><h2>${team.problem ? 'The team cannot be loaded' : 'No team'}</h2>${team.problem && html`<p class="problem">${team.problem}</p>`}
    <${Fixed} id="no-team"/></div>`;
  return html`<div class="nothing"><h2>No run yet</h2><${Fixed} id="no-run"/>
    <ul>${team.agents.map(agent => html`<li><b>${agent.name}</b> <span class="dim">${agent.model}</span><div>${agent.role}</div>${agent.instructions && html`<details><summary>instructions</summary><div class="text">${agent.instructions}</div></details>`}</li>`)}</ul></div>`;
}

draw();
setInterval(() => { if (S.at === null && S.run.status === 'running' && !document.hidden) draw() }, 250);
setInterval(() => { if (!document.hidden && S.connection !== 'gone') listRuns() }, 5000);
get('api/team').then(team => put({team})).catch(error => put({error: error.message}));
listRuns().then(() => { const running = S.runs.find(one => one.status === 'running'); if (running && !S.id) open(running.id) });
