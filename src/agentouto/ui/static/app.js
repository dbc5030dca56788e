// The page: one state, fed by one stream of event lines, drawn at most once in each frame.
import {html, render} from './vendor.js';
import {LIMITED, PERSON, TOOL, Run, critical, held, spentOn} from './fold.js';
import {Events, Lanes, Matrix, Ring, Sequence, Fixed, WORDS, css, cut, dim, plural, readable, seconds, spent, who} from './pictures.js';
import {Conversation, Questions, Talk} from './side.js';

const RING_AT_MOST = 13, CHIPS = 4, STREAMS = 4, SOON = 1000, LATER = 5000;
const fresh = id => ({id, run: new Run(), lines: [], chosen: null, focus: '', at: null, playing: false, connection: 'ok',
  error: '', idle: null, event: null, talkTo: null, offset: null, top: 0, shown: null, atEnd: true, whole: null});
const S = {...fresh(null), tab: 'map', path: false, team: null, runs: [], older: [], isLast: false, to: null, continues: false, box: {width: 800, height: 400}};
const $ = id => document.getElementById(id);
let isDirty = false, source = null, timer = 0, follows = 0, leave = () => {};

function draw() {
  if (isDirty) return;
  isDirty = true;
  requestAnimationFrame(() => { isDirty = false; paint(); if (hasOtherSize()) paint(); scroll() });
}
const paint = () => render(html`<${App}/>`, $('app'));

// Pictures are drawn for the room that they have, which is known only when something is drawn.
function hasOtherSize() {
  const stage = $('stage'), {width, height} = S.box;
  if (stage) S.box = {width: stage.clientWidth - 28, height: stage.clientHeight - 16};
  return S.box.width !== width || S.box.height !== height;
}
addEventListener('resize', draw);

// Who has not scrolled away from the end of a list stays there.
const isAtEnd = (list, near) => list.scrollHeight - list.scrollTop - list.clientHeight < near;
const toEnd = list => { list.scrollTop = list.scrollHeight };
function scroll() {
  const stage = $('stage');
  if (S.atEnd) toEnd($('log'));
  if ((S.tab === 'sequence' || S.tab === 'events') && isLive() && isAtEnd(stage, 160)) toEnd(stage);
}
function show(change) {
  put({...change, top: 0});
  if ($('stage')) $('stage').scrollTop = 0;
}
const put = change => { Object.assign(S, change); draw() };

async function get(address, options) {
  const response = await fetch(address, options), text = await response.text();
  if (!response.ok) throw Object.assign(Error(text), {status: response.status});
  return text;
}

async function send(address, body) {
  try {
    const made = await get(address, {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify(body)});
    put({error: ''});
    return JSON.parse(made);
  } catch (error) {
    put({error: error instanceof TypeError ? 'agentouto ui does not answer' : error.message});
    return null;
  }
}
const post = (verb, body) => send(`api/runs/${S.id}/${verb}`, body);
const listRuns = async () => { try { put({runs: JSON.parse(await get('api/runs'))}) } catch { /* the header says that the server is gone */ } };
async function listOlder(last) {
  const older = JSON.parse(await get(`api/runs?before=${last.id}`));
  put({older: [...S.older, ...older], isLast: !older.length});
}

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
  S.idle = null;
  source = new EventSource(`api/runs/${S.id}/events${after()}`);
  const mine = source, close = change => { if (source === mine) { stop(); put(change) } };
  mine.onopen = () => put({connection: 'ok'});
  mine.onmessage = ({data}) => take(JSON.parse(data));
  mine.addEventListener('restart', restart);
  mine.addEventListener('idle', ({data}) => put({idle: JSON.parse(data)}));
  mine.addEventListener('end', () => { close({connection: S.run.over ? 'ok' : 'cut'}); listRuns() });
  mine.addEventListener('gone', () => close({connection: 'gone'}));
  mine.onerror = () => {
    put({connection: 'lost'});
    if (mine.readyState === EventSource.CLOSED && source === mine) { stop(); keepAsking() }  // which says why
  };
}
const restart = () => put({run: new Run(), lines: [], at: null, idle: null});

function open(id) {
  put(fresh(id));
  follow();
}

// A browser opens six connections to one host: four tabs have a stream. The others ask now and then,
// and so does a tab that is not looked at.
async function follow() {
  const mine = ++follows;
  stop();
  if (!S.id || S.run.over) return;
  const place = document.hidden ? null : await freePlace();
  if (mine !== follows) return place?.();
  if (place) { leave = place; return connect() }
  keepAsking();
}

async function keepAsking() {
  const mine = follows;
  await ask();
  if (mine === follows && !STOPPED[S.connection]) timer = setTimeout(follow, document.hidden ? LATER : SOON);
}

function stop() {
  clearTimeout(timer);
  source?.close();
  source = null;
  leave();
}

// A lock is let go of by the browser too, when a tab is closed. Without TLS, only this machine has locks.
async function freePlace() {
  const {locks} = navigator;
  let place = locks ? null : () => {};
  for (let n = 0; n < STREAMS && !place; n++) {
    place = await new Promise(found => locks.request(`stream ${n}`, {ifAvailable: true}, lock => lock ? new Promise(found) : found()));
  }
  return place;
}

async function ask() {
  const mine = follows;
  try {
    const text = await get(`api/runs/${S.id}/events${after()}`, {headers: {accept: 'application/x-ndjson'}});
    if (mine !== follows) return;
    S.connection = 'ok';
    take(text.split('\n').filter(Boolean).map(line => JSON.parse(line)));
  } catch (error) {
    if (error.status === 409) { restart(); return ask() }
    put(error.status ? {connection: 'refused', error: error.message} : {connection: 'lost'});
  }
  document.title = titleOf(S.run);  // nothing is drawn in a hidden tab
}
document.addEventListener('visibilitychange', follow);

async function start(text, to, continues, resume = '') {
  const made = await send('api/runs', {text, to, history_of: continues ? S.id : '', resume});
  if (made) { open(made.id); listRuns() }
  return made;
}

function scrub(n) {
  const at = n < S.lines.length ? n : null;
  put({at, playing: false, run: new Run().feedAll(at === null ? S.lines : S.lines.slice(0, at))});
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

const isLive = () => S.at === null && !S.run.over && !STOPPED[S.connection] && (!S.idle || S.idle.asked.length > 0);
const nowOf = run => run.over || S.idle || S.offset === null || S.at !== null || STOPPED[S.connection] ? run.now : Math.max(run.now, clock() - S.offset);
const titleOf = run => `${run.questions.length ? `(${run.questions.length}) ` : ''}${run.text ? `${cut(run.text, 40)} · ` : ''}agentouto`;
// A question has no conversation of its own: it is in that of the call that asks.
function pick(call) {
  const shown = call?.isPerson ? call.parent : call;
  if (shown) put({chosen: shown.id, talkTo: null});
}

const NEWS = {return: 'returned to', ask: 'asks', error: 'could not return to'};
const newsOf = run => {
  const last = run.messages.findLast(one => one.kind in NEWS);
  return run.over ? `The run has ended: ${STATUS[run.status]}` : last ? `${who(last.from)} ${NEWS[last.kind]} ${who(last.to)}: ${cut(last.text, 200)}` : '';
};

function App() {
  const run = S.run;
  run.asked = S.idle?.asked;
  const now = nowOf(run), live = isLive();
  const chosen = run.calls.get(S.chosen) ?? run.questions[0]?.parent ?? run.roots[0] ?? null;
  const shared = {run, now, chosen, live, pick, post, put};
  if (S.shown !== chosen?.id) Object.assign(S, {shown: chosen?.id, atEnd: true});
  document.title = titleOf(run);
  return html`<div class="app" onClick=${draw}><${Header} ...${shared}/><${Left}/>
    <main>${run.count ? html`<${Waits} ...${shared}/><${Stage} ...${shared}/>` : html`<${Nothing}/>`}</main>
    <aside aria-label="Questions and conversation"><${Questions} ...${shared} idle=${S.idle}/><${Conversation} ...${shared} whole=${S.whole} onScroll=${({target}) => { S.atEnd = isAtEnd(target, 60) }}/><${Talk} ...${shared} to=${S.talkTo}/></aside>
    <div class="hidden" aria-live="polite">${S.at === null && newsOf(run)}</div></div>`;
}

const TROUBLE = {lost: 'connection lost, trying again', gone: 'agentouto ui has ended'}, STOPPED = {gone: 1, cut: 1, refused: 1};
const FORMS = {html: 'Report', svg: 'Picture', mmd: 'Mermaid', jsonl: 'JSON lines'};
const STATUS = {none: 'no run', running: 'running', you: 'waits for you', completed: 'returned', failed: 'failed', cancelled: 'stopped', lost: 'ended without an end', waiting: 'waits for people', answered: 'answered, and not at work'};

function Header({run, now, live}) {
  const {idle} = S, isLost = idle?.status === 'lost' || S.connection === 'cut';
  const status = run.status !== 'running' ? run.status : run.questions.length ? 'you' : !isLost ? idle?.status ?? 'running' : run.open.some(one => one.isPerson) ? 'answered' : 'lost';
  const calls = run.all.filter(call => !call.isPerson);
  return html`<header><h1>agentouto</h1><span class="pill ${status}">${STATUS[status]}</span><span class="what" title=${readable(run.text)}>${readable(run.text)}</span>
    ${TROUBLE[S.connection] && html`<span class="pill failed" role="status">${TROUBLE[S.connection]}</span>`}
    ${S.error && html`<span class="problem" role="alert">${S.error}</span>`}
    ${run.count > 0 && html`<span class="figures"><span>${seconds(now)}</span><span>${plural(calls.length, 'call')}</span>
      ${spent(calls, 2).map(text => html`<span>${text}</span>`)}</span>`}
    ${live && run.count > 0 && html`<button class="stop" onClick=${() => post('stop', {})}>Stop</button>`}
    ${run.count > 0 && html`<details class="save"><summary>Save</summary>${Object.entries(FORMS).map(([form, name]) => html`<a download href="api/runs/${S.id}/report.${form}">${name}</a>`)}</details>`}
    ${isLost && run.status === 'running' && html`<button onClick=${() => start(run.text, [], false, S.id)}>Resume</button>`}</header>`;
}

function began(at) {
  const date = new Date(at * 1000);
  return date.toDateString() === new Date().toDateString() ? date.toTimeString().slice(0, 5) : date.toLocaleDateString('sv');
}

function Left() {
  const {team, run, continues} = S, runs = [...new Map([...S.runs, ...S.older].map(one => [one.id, one])).values()], to = new Set(S.to ?? team?.start), off = !!team?.why_not || S.connection === 'gone';
  const submit = async event => {
    event.preventDefault();
    const field = $('message'), text = field.value.trim();
    if (text && !off && await start(text, [...to], continues && run.over)) { field.value = ''; put({continues: false}) }
  };
  const toggle = name => { if (!to.delete(name)) to.add(name); put({to: [...to]}) };
  return html`<nav aria-label="Runs"><form onSubmit=${submit}><label for="message">Message to the team</label>
    <textarea id="message" defaultValue=${team?.message ?? ''} rows="3" placeholder="What should be done?" onKeyDown=${event => { if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) event.target.form.requestSubmit() }}/>
    ${team?.agents.length > 1 && html`<details><summary>to ${to.size > 3 ? plural(to.size, 'agent') : [...to].join(', ') || 'no agent'}</summary>
      <div class="to">${team.agents.map(agent => html`<label><input type="checkbox" checked=${to.has(agent.name)} onChange=${() => toggle(agent.name)}/>${agent.name}</label>`)}</div></details>`}
    ${run.over && html`<label class="check"><input type="checkbox" checked=${continues} onChange=${event => put({continues: event.target.checked})}/>continue the run on screen</label>`}
    <button class="main" disabled=${off || (team && !to.size)}>Start</button>
    ${team?.why_not && team.agents.length > 0 && html`<p class="problem">${team.why_not}</p>`}${team?.limits && html`<p class="dim">Limits of a run: ${team.limits}</p>`}</form>
    <h2>Runs</h2>${runs.length ? html`<ul>${runs.map(one => html`<li key=${one.id}><button aria-current=${one.id === S.id} onClick=${() => open(one.id)}>
      <span>${cut(one.text, 80)}</span><small>${STATUS[one.status]}${one.at ? ` · ${began(one.at)}` : ''}${one.seconds ? ` · ${seconds(one.seconds)}` : ''}${one.own || one.status !== 'running' ? '' : ' · another process'}</small></button></li>`)}</ul>${runs.length > 199 && !S.isLast && html`<button onClick=${() => listOlder(runs.at(-1))}>Older runs</button>`}`
      : html`<p class="dim">None yet.</p>`}</nav>`;
}

function Waits({run, now}) {
  if (run.over) {
    const path = critical(run);
    return html`<${Strip} title="Where the time went">${spentOn(path).slice(0, CHIPS).filter(one => one.share >= .005).map(one => html`<button
      class="chip ${css(one.doing)}" onClick=${() => pick(run.calls.get(one.call))}><b>${Math.round(100 * one.share)} %</b> ${who(one.agent)}${one.doing === PERSON ? '' : `: ${readable(one.detail) || WORDS[one.doing]}`} <small>${seconds(one.seconds)}</small></button>`)}
      <label class="chip"><input type="checkbox" checked=${S.path} onChange=${event => show({path: event.target.checked, tab: event.target.checked ? 'time' : S.tab})}/>show the path</label><//>`;
  }
  const groups = grouped(run, held(run)), more = groups.slice(CHIPS).reduce((sum, group) => sum + group.entries.length, 0);
  return html`<${Strip} title="Everyone waits for" more=${more > 0 && html`<br/>(${plural(more, 'more call')})`}>${groups.slice(0, CHIPS).map(group => html`<${Chip} key=${group.key} run=${run} now=${now} group=${group}/>`)}<//>`;
}
const Strip = ({title, more, children}) => html`<section class="waits" aria-label=${title}><h2>${title}${more}</h2><div class="chips">${children}</div></section>`;

const wordFor = doing => WORDS[doing].replace('waits', 'wait').replace('uses a tool', 'use tools');

// You first, all questions in one chip; more than four others are grouped by what they do.
function grouped(run, entries) {
  const isYou = one => one.agent === 'user' && one.doing === PERSON, others = entries.filter(one => !isYou(one)), byKey = new Map();
  const isMany = others.length > CHIPS - (others.length < entries.length);
  for (const one of entries) {
    const key = isYou(one) ? 'you' : isMany ? one.doing : one.call, group = byKey.get(key) ?? {key, isMany, doing: one.doing, entries: [], holds: new Set(), since: one.since};
    group.entries.push(one);
    for (const id of one.holds) group.holds.add(id);
    group.since = Math.min(group.since, one.since);
    byKey.set(key, group);
  }
  return [...byKey.values()].sort((a, b) => (b.key === 'you') - (a.key === 'you') || b.holds.size - a.holds.size);
}

function Chip({run, now, group}) {
  const [first] = group.entries, call = run.calls.get(first.call), many = group.entries.length > 1, you = group.key === 'you';
  const until = Math.min(...group.entries.map(one => run.calls.get(one.call).until || Infinity)) - now;
  const heldNames = [...new Set([...group.holds].map(id => run.calls.get(id).agent))], n = group.holds.size;
  const title = you ? 'you' : many ? `${group.entries.length} calls` : who(first.agent);
  const doing = you ? plural(run.questions.length, 'question') : group.doing === TOOL && !many ? `uses ${readable(first.detail)}` : many ? wordFor(group.doing) : WORDS[group.doing];
  const holds = n ? many && !you ? ` · hold up ${plural(n, 'call')}` : ` · holds up ${heldNames.slice(0, 2).map(who).join(', ')}${heldNames.length > 2 ? ` +${heldNames.length - 2}` : ''}` : '';
  return html`<button class="chip ${you ? 'you' : css(group.doing)} ${group.isMany ? 'short' : ''}" onClick=${() => pick(call)}><b>${title}</b> ${doing} <small>${
    many && !you ? '' : seconds(Math.max(0, now - group.since))}${group.doing === LIMITED && until > .05 && until < 1e6 ? ` · next in ${seconds(until)}` : ''}${holds}</small></button>`;
}

function Stage({run, now, chosen, live}) {
  const {box, top} = S, many = run.agents.size > RING_AT_MOST, tabs = {map: many ? 'Matrix' : 'Map', sequence: 'Sequence', time: 'Time', events: 'Events'};
  const turn = event => {
    const names = Object.keys(tabs), step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!step) return;
    const next = names[(names.indexOf(S.tab) + step + names.length) % names.length];
    show({tab: next});
    $(`tab-${next}`).focus();
  };
  const view = {run, now, chosen, focus: S.focus, pick, setFocus: name => show({focus: name ?? ''})};
  const lines = S.at === null ? S.lines : S.lines.slice(0, S.at);
  const pictures = {
    map: () => many ? html`<${Matrix} view=${view} width=${box.width}/>` : html`<${Ring} view=${view} box=${box}/>`,
    sequence: () => html`<${Sequence} view=${view} top=${top} box=${box}/>`,
    time: () => html`<${Lanes} view=${view} width=${box.width} path=${S.path}/><${Fixed} id="time-key"/>`,
    events: () => html`<${Events} lines=${lines} view=${view} top=${top} box=${box} marked=${S.event} choose=${event => put({event})}/>`,
  };
  return html`<div class="tabs"><div role="tablist" aria-label="Pictures" onKeyDown=${turn}>${Object.entries(tabs).map(([name, word]) => html`<button role="tab" id="tab-${name}" aria-controls="stage"
      tabindex=${S.tab === name ? 0 : -1} aria-selected=${S.tab === name} onClick=${() => show({tab: name})}>${word}</button>`)}</div>
    <label class="only">only <select value=${S.focus} onChange=${event => show({focus: event.target.value})}><option value="">everyone</option>${[...run.agents.keys()].map(name => html`<option value=${name}>${who(name)}</option>`)}</select></label></div>
    <section class="stage ${S.tab}" id="stage" role="tabpanel" aria-labelledby="tab-${S.tab}" tabindex="0" onScroll=${event => S.tab !== 'map' && put({top: event.target.scrollTop})}>${pictures[S.tab]()}</section>
    ${S.tab === 'events' && S.event && html`<pre class="line-json" tabindex="0" aria-label="The event as JSON">${readable(JSON.stringify(S.event, null, 2))}</pre>`}
    ${(S.tab === 'map' || S.tab === 'sequence') && !many && html`<section class="low" aria-label="Time" tabindex="0"><${Lanes} view=${view} width=${box.width} path=${S.path}/></section>`}
    <div class="scrub"><button onClick=${replay} disabled=${live && S.at === null}>${S.playing ? 'Pause' : 'Replay'}</button>
      <input type="range" aria-label="Moment of the run" aria-valuetext=${seconds(run.now)} min="1" max=${S.lines.length} value=${S.at ?? S.lines.length} onInput=${event => scrub(Number(event.target.value))}/>
      ${dim(S.at === null ? (live ? 'live' : 'the end') : seconds(run.now))}${S.at !== null && html`<button onClick=${() => scrub(Infinity)}>${S.lines.at(-1)?.type === 'run.end' ? 'To the end' : 'Back to live'}</button>`}</div>`;
}

function Nothing() {
  const team = S.team;
  if (!team) return null;
  if (!team.agents.length) return html`<div class="nothing"><h2>${team.problem ? 'The team cannot be loaded' : 'No team'}</h2>${team.problem && html`<p class="problem">${team.problem}</p>`}
    <${Fixed} id="no-team"/></div>`;
  return html`<div class="nothing"><h2>No run yet</h2><${Fixed} id="no-run"/>
    <ul>${team.agents.map(agent => html`<li><b>${agent.name}</b> ${dim(agent.model)}<div>${agent.role}</div>${agent.instructions && html`<details><summary>instructions</summary><div class="text">${agent.instructions}</div></details>`}</li>`)}</ul></div>`;
}

draw();
setInterval(() => { if (S.at === null && S.run.status === 'running' && !document.hidden) draw() }, 250);
setInterval(() => { if (!document.hidden && S.connection !== 'gone') listRuns() }, 5000);
get('api/team').then(team => put({team: JSON.parse(team)})).catch(error => put({error: error.message}));
listRuns().then(() => { const running = S.runs.find(one => one.status === 'running') ?? S.runs.find(one => one.status === 'waiting'); if (running && !S.id) open(running.id) });
