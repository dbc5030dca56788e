// The pictures of a run: functions from its state to elements.
// `view` is {run, now, chosen, focus, pick(call), setFocus(name)}.
import {html} from './vendor.js';
import {PEERS, TOOL, YOU, critical, spentOn, stateOf} from './fold.js';

export const WORDS = {
  model: 'waits for its model', writing: 'writing', tool: 'uses a tool', peers: 'waits for peers',
  you: 'waits for you', person: 'waits for a person', 'rate limit': 'rate limit', queue: 'waits for a free place',
  mail: 'waits for messages', engine: 'between two steps', returned: 'returned', failed: 'failed',
  stopped: 'stopped', refused: 'refused', limit: 'limit reached', idle: 'idle',
};
const URGENCY = ['you', 'person', 'rate limit', 'queue', 'writing', 'tool', 'model', 'engine', 'mail', 'peers'];
const STACKED = ['peers', 'engine', 'model', 'writing', 'tool', 'mail', 'queue', 'rate limit', 'person'];
const BAD = new Set(['failed', 'stopped', 'refused', 'limit']);

export const escaped = one => `\\u{${one.codePointAt(0).toString(16)}}`;
/** A text with what reorders a line or has no meaning as escapes: a joiner in an emoji or a word stays. */
export const readable = text => String(text ?? '').replace(/[\0-\x08\x0b\f\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, escaped);
export const cut = (text, most) => {
  const line = readable(text).replace(/\s+/g, ' ');
  return line.length > most ? line.slice(0, Math.max(0, most - 1)) + '…' : line;
};
export const who = name => name === 'user' ? 'you' : readable(name);
export const plural = (n, word) => `${n} ${word}${n === 1 ? '' : 's'}`;
export const digits = n => n.toLocaleString('en');
/** What calls have cost, as one text for each figure that there is. */
export const spent = (calls, places) => {
  const [input, output, cost] = ['input', 'output', 'cost'].map(name => calls.reduce((sum, call) => sum + call[name], 0));
  return [input + output > 0 && `${digits(input)} in · ${digits(output)} out`, cost > 0 && `$${cost.toFixed(places)}`].filter(Boolean);
};
export const dim = text => html`<span class="dim">${readable(text)}</span>`;
export const css = state => state.replace(/ /g, '-');
export const seconds = s => s < 10 ? `${s.toFixed(1)} s` : s < 100 ? `${Math.round(s)} s`
  : `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
/** What a mark needs to be a button for mouse, keyboard and screen readers. */
const press = f => ({role: 'button', tabindex: 0, onClick: f, onKeyDown: event => {
  if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); f(event) }
}});

/** What index.html has in the template of this id. */
export const Fixed = ({id}) => html`<div ref=${one => one && !one.firstChild && one.append(document.getElementById(id).content.cloneNode(true))}/>`;

const small = (x, y, words, more) => html`<text x=${x} y=${y} ...${more} class="small ${more?.class ?? ''}">${words}</text>`;
const openCalls = agent => agent.calls.filter(call => call.end === null);
const latest = agent => openCalls(agent).at(-1) ?? agent.calls.at(-1);
export function stateOfAgent(run, agent) {
  if (agent.name === 'user') return run.questions.length ? YOU : 'idle';
  const states = new Set(openCalls(agent).map(stateOf));
  return URGENCY.find(state => states.has(state)) ?? (agent.calls.length ? agent.calls.at(-1).outcome : 'idle');
}

const Arrows = ({id, kinds}) => html`<defs>${kinds.map(kind => html`<marker id="${id}-${kind}" class="head ${kind}"
  viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0,0 L8,4 L0,8z"/></marker>`)}</defs>`;

// --- ring: up to 13 participants

export function Ring({view, box}) {
  const {run, now, chosen, pick} = view, agents = [...run.agents.values()], n = agents.length;
  const W = Math.max(280, box.width), H = W < 560 ? Math.max(300, n * 60) : Math.max(270, box.height - 34);
  const w = Math.min(n > 9 ? 132 : 164, W / 2.6), h = 54, rx = W / 2 - w / 2 - 12, ry = H / 2 - h / 2 - 34;
  const place = new Map(agents.map((agent, i) => {
    const angle = Math.PI / 2 + i * 2 * Math.PI / n;
    return [agent.name, [W / 2 + rx * Math.cos(angle), H / 2 + 8 + ry * Math.sin(angle)]];
  }));
  const edgeOf = ([x, y], [tx, ty], gap) => {
    const dx = tx - x, dy = ty - y, k = Math.min((w / 2 + gap) / (Math.abs(dx) || 1e-9), (h / 2 + gap) / (Math.abs(dy) || 1e-9));
    return [x + dx * k, y + dy * k];
  };
  const line = (from, to, bend) => {
    const p = place.get(from), q = place.get(to);
    if (from === to) return `M${p[0] - 24},${p[1] - h / 2} c-20,-44 68,-44 48,-2`;
    const middle = [(p[0] + q[0]) / 2 - (q[1] - p[1]) * bend, (p[1] + q[1]) / 2 + (q[0] - p[0]) * bend];
    return `M${edgeOf(p, middle, 2)} Q${middle} ${edgeOf(q, middle, 5)}`;
  };
  const open = run.open;
  const kindOf = call => call.isPerson ? 'ask' : call.background ? 'background' : 'forward';
  const fresh = run.over ? [] : run.messages.slice(-30).filter(message => now - message.t < 1.5);
  return html`<figure class="picture"><svg width=${W} height=${H} role="group" aria-label="Who is at work, and who waits for whom">
    <${Arrows} id="ring" kinds=${['forward', 'background', 'ask']}/>
    ${[...run.edges.values()].map(({from, to}) => html`<path class="used" d=${line(from, to, .1)}/>`)}
    ${open.map(call => html`<path class="open ${kindOf(call)}" key=${call.id} d=${line(call.sender, call.agent, .1)}
      marker-end="url(#ring-${kindOf(call)})"><title>${who(call.sender)} waits for ${who(call.agent)}</title></path>`)}
    ${fresh.map(message => {
      const d = line(message.from, message.to, message.kind === 'forward' || message.kind === 'ask' ? .1 : .17);
      const back = message.kind !== 'forward' && message.kind !== 'ask';
      return html`<g key=${'m' + message.index} class="travels ${message.kind}">${back && html`<path d=${d}/>`}
        <circle r="6"><animateMotion dur=".9s" fill="freeze" path=${d}/></circle></g>`;
    })}
    ${agents.map(agent => {
      const [x, y] = place.get(agent.name), state = stateOfAgent(run, agent), call = latest(agent), me = agent.name === 'user';
      const count = openCalls(agent).length * !me, mark = call && !me ? press(() => pick(call)) : {};
      const told = me ? (run.questions.length ? `${plural(run.questions.length, 'question')} for you` : 'a participant too')
        : state === TOOL ? `uses ${call.openActivities()[0]?.detail ?? 'a tool'}` : WORDS[state];
      return html`<g key=${agent.name} class="node ${css(state)} ${chosen?.agent === agent.name ? 'chosen' : ''}"
        transform="translate(${x - w / 2},${y - h / 2})" ...${mark}><rect width=${w} height=${h} rx=${agent.person ? h / 2 : 10}/>
        <text class="name" x=${agent.person ? 24 : 13} y="23">${cut(who(agent.name), w / 9)}${count > 1 ? ` ×${count}` : ''} </text>
        ${small(agent.person ? 24 : 13, 41, cut(told, w / 6.6))}</g>`;
    })}</svg>
    <${Fixed} id="ring-key"/></figure>`;
}

// --- matrix: row calls column, up to 60 participants

export function Matrix({view, width}) {
  const {run, focus, pick, setFocus} = view, agents = [...run.agents.values()], n = agents.length;
  const S = Math.max(13, Math.min(30, Math.floor((width - 290) / n))), L = 120, T = 92, R = L + n * S;
  const most = Math.max(1, ...[...run.edges.values()].map(edge => edge.calls));
  const index = new Map(agents.map((agent, i) => [agent.name, i])), open = run.open;
  const spent = run.over ? spentOn(critical(run)) : [];
  const told = agent => {
    const state = stateOfAgent(run, agent), count = openCalls(agent).length;
    if (!run.over) return state === 'idle' ? '' : `${count > 1 ? `×${count} ` : ''}${WORDS[state]}`;
    if (!agent.calls.length) return '';
    const tokens = agent.calls.reduce((sum, call) => sum + call.input + call.output, 0), share = spent.reduce((sum, one) => sum + (one.agent === agent.name && one.share), 0);
    return [plural(agent.calls.length, 'call'), ...(tokens ? [`${(tokens / 1000).toFixed(1)} k tokens`] : []),
      ...(share >= .01 ? [`${Math.round(100 * share)} %`] : [])].join(' · ');
  };
  return html`<figure class="picture wide"><svg class="matrix" width=${R + 190} height=${T + n * S + 6} role="group"
      aria-label="Who called whom, and how often">
    ${agents.map((agent, i) => html`<g key=${agent.name} class=${focus === agent.name ? 'focused' : ''}>
      <rect class="row ${i % 2 ? 'odd' : ''}" x=${L} y=${T + i * S} width=${n * S} height=${S}/>
      <rect class="self" x=${L + i * S} y=${T + i * S} width=${S} height=${S}/>
      ${focus === agent.name && html`<rect class="cross" x=${L} y=${T + i * S} width=${n * S} height=${S}/>
        <rect class="cross" x=${L + i * S} y=${T} width=${S} height=${n * S}/>`}
      <text class="small" transform="translate(${L + i * S + S / 2 + 4},${T - 6}) rotate(-60)">${cut(who(agent.name), 13)}</text>
      <text class="small label" x=${L - 7} y=${T + i * S + S / 2 + 4}
        ...${press(() => setFocus(focus === agent.name ? null : agent.name))}>${cut(who(agent.name), 17)}</text>
      ${small(R + 8, T + i * S + S / 2 + 4, told(agent), {class: `state ${css(stateOfAgent(run, agent))}`})}</g>`)}
    ${[...run.edges.values()].map(edge => {
      const isOf = call => call.sender === edge.from && call.agent === edge.to, now = open.filter(isOf).length;
      const x = L + index.get(edge.to) * S, y = T + index.get(edge.from) * S;
      const size = S * (edge.calls ? Math.max(.24, .92 * Math.sqrt(edge.calls / most)) : .2), pad = (S - size) / 2;
      const name = `${who(edge.from)} → ${who(edge.to)}: ${plural(edge.calls, 'call')}${now ? `, ${now} open` : ''}`
        + `${edge.messages ? `, ${plural(edge.messages, 'message')}` : ''}${edge.failed ? `, ${edge.failed} failed` : ''}`;
      return html`<g key=${edge.from + '>' + edge.to} ...${press(() => pick(run.all.findLast(isOf)))}
        class="cell ${edge.to === 'user' ? 'ask' : ''} ${edge.calls ? '' : 'letters'}"><title>${name}</title>
        <rect class="hit" x=${x} y=${y} width=${S} height=${S}/><rect class="size" x=${x + pad} y=${y + pad} width=${size} height=${size} rx=${size * .2}/>
        ${now > 0 && html`<rect class="now" x=${x + 1} y=${y + 1} width=${S - 2} height=${S - 2} rx="3"/>`}
        ${edge.failed > 0 && html`<path class="corner" d="M${x + S},${y} h${-S * .4} L${x + S},${y + S * .4}z"/>`}</g>`;
    })}</svg>
    <${Fixed} id="matrix-key"/></figure>`;
}

// --- sequence: only the rows on screen are drawn

export function Sequence({view, top, box}) {
  const {run, chosen, focus, pick} = view;
  const messages = focus ? run.messages.filter(one => one.from === focus || one.to === focus) : run.messages;
  const row = 30, first = 20, fit = Math.ceil(box.height / row) + 4;
  const from = Math.max(0, Math.min(Math.floor(top / row) - 2, messages.length - fit)), shown = messages.slice(from, from + fit);
  const mark = message => chosen && message.call === chosen ? 'chosen' : '';
  const choose = message => press(() => pick(message.call));
  if (box.width < 560) {
    return html`<${Rows} kind="plain" row=${44} items=${messages} top=${top} box=${box} draw=${(message, style) => html`<button class=${mark(message)} style=${style}
      onClick=${choose(message).onClick}><b>${who(message.from)} → ${who(message.to)}</b> ${cut(message.text, 90)}</button>`}/>`;
  }
  const names = new Set(!focus && run.agents.size <= 14 ? run.agents.keys() : shown.flatMap(one => [one.from, one.to]));
  const columns = [...run.agents.keys()].filter(name => names.has(name));
  const gap = Math.max(104, Math.min(210, (box.width - 130) / Math.max(1, columns.length - 1)));
  const X = new Map(columns.map((name, i) => [name, 60 + i * gap])), W = Math.max(box.width - 20, 120 + gap * (columns.length - 1));
  const height = messages.length * row + first, y = i => i * row + first;
  return html`<div class="sequence" style=${{width: `${W}px`}}>
    <div class="heads" aria-hidden="true">${columns.map(name => html`<span style=${{left: `${X.get(name)}px`, maxWidth: `${gap - 6}px`}}>${who(name)}</span>`)}</div>
    <svg width=${W} height=${height} role="group" aria-label="Messages in order">
    <${Arrows} id="seq" kinds=${['forward', 'return', 'message', 'ask', 'answer', 'error']}/>
    ${columns.map(name => html`<line class="life" x1=${X.get(name)} x2=${X.get(name)} y1=${y(from) - 20} y2=${y(from + fit)}/>`)}
    ${focus ? null : run.all.map(call => {
      const a = Math.max(call.rows[0], from - 1), b = Math.min(call.rows[1], from + fit, messages.length);
      return a <= b && !call.isPerson && X.has(call.agent) && html`<rect key=${call.id} class="bar ${call.end === null ? 'live' : ''} ${call === chosen ? 'chosen' : ''}"
        width="9" rx="2" x=${X.get(call.agent) - 4 + Math.min(call.lane, 4) * 4} y=${y(a)} height=${Math.max(4, y(b) - y(a))}/>`;
    })}
    ${shown.map((message, i) => {
      const a = X.get(message.from), b = X.get(message.to), Y = y(from + i), side = b > a ? 1 : -1, self = a === b;
      const left = self ? a + 40 : Math.min(a, b) + 14, room = self ? 40 : Math.max(10, (Math.abs(a - b) - 26) / 6.1);
      return html`<g key=${message.index} class="row ${message.kind} ${message.background ? 'background' : ''} ${mark(message)}"
        aria-label=${`${who(message.from)} to ${who(message.to)}: ${cut(message.text, room)}`} ...${choose(message)}>
        <rect class="hit" x="0" y=${Y - 20} width=${W} height=${row}/>
        <path d=${self ? `M${a + 6},${Y - 8} h26 v10 h-24` : `M${a + 7 * side},${Y} L${b - 8 * side},${Y}`} marker-end="url(#seq-${message.kind})"/>
        ${small(left, Y - 5, cut(message.text, room))}</g>`;
    })}</svg></div>`;
}

// --- time: a row for each agent, and the path that decided

export function Lanes({view, width, path}) {
  const {run, chosen, focus, pick} = view, now = run.over ? run.now : view.now;
  const agents = [...run.agents.values()].filter(agent => agent.calls.length || agent.name === 'user');
  const dense = agents.length > 16, lane = dense ? 9 : 15, most = dense ? 2 : 4, end = Math.max(now, 1);
  const many = agent => agent.lanes.length > most && focus !== agent.name && agent.name !== 'user';
  const L = 118, R = agents.some(many) ? 96 : 30, W = Math.max(300, width), X = t => L + (W - L - R) * t / end;
  const pieces = path ? critical(run) : [], onPath = new Map();
  for (const piece of pieces) {
    const call = run.calls.get(piece.call), calls = onPath.get(call.agent) ?? [];
    if (!calls.includes(call)) calls.push(call);
    onPath.set(call.agent, calls);
  }
  const rows = [], rowOf = new Map();
  let y = 24;
  for (const agent of agents) {
    const stacked = many(agent), extra = stacked ? (onPath.get(agent.name) ?? []).slice(0, most) : [];
    const lines = stacked ? 2 : Math.max(1, agent.lanes.length);
    for (const call of agent.calls) rowOf.set(call, stacked ? y : y + call.lane * lane);
    extra.forEach((call, i) => rowOf.set(call, y + (lines + i) * lane));
    rows.push({agent, y, stacked, extra});
    y += Math.max((lines + extra.length) * lane + (dense ? 4 : 8), 16);
  }
  const step = [.1, .2, .5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600].find(s => end / s <= Math.max(2, (W - L - R) / 90)) ?? 7200;
  const ticks = Array.from({length: Math.floor(end / step + 1e-6) + 1}, (_, i) => i * step);
  const hot = pieces.map(piece => ({...piece, y: rowOf.get(run.calls.get(piece.call))}));
  return html`<svg class="lanes" width=${W} height=${y + 2} role="group" aria-label="Time: one row for each participant">
    ${ticks.map(t => html`<line class="tick" x1=${X(t)} x2=${X(t)} y1="17" y2=${y}/>
      ${small(X(t), 11, seconds(t), {class: 'moment'})}`)}
    ${rows.map(({agent, y, stacked, extra}) => html`<g key=${agent.name}>
      <text class="small label ${chosen?.agent === agent.name || focus === agent.name ? 'strong' : ''}" x=${L - 9} y=${y + lane / 2 + 4}
        ...${agent.calls.length && agent.name !== 'user' ? press(() => pick(latest(agent))) : {}}>${cut(who(agent.name), 17)}</text>
      ${stacked ? html`<${Stack} agent=${agent} y=${y} height=${2 * lane - 2} X=${X} left=${L} width=${W - L - R} end=${now}/>
        ${small(W - R + 8, y + lane + 3, plural(agent.calls.length, 'call'))}` : null}
      ${(stacked ? extra : agent.calls).map(call => html`<${Bar} key=${call.id} call=${call} y=${rowOf.get(call)} lane=${lane} X=${X} end=${now} view=${view}/>`)}</g>`)}
    ${hot.map((piece, i) => html`<rect class="path" x=${X(piece.start)} y=${piece.y - 1.5} rx="2.5"
      width=${Math.max(1, X(piece.end) - X(piece.start))} height=${lane + 1}/>`)}
    ${hot.slice(1).map((piece, i) => piece.y === hot[i].y ? null : html`<line class="path" x1=${X(piece.start)} x2=${X(piece.start)}
      y1=${Math.min(piece.y, hot[i].y) + lane} y2=${Math.max(piece.y, hot[i].y) - 1}/>`)}</svg>`;
}

// One call as a line: a thin bar while it waits for others, thick where it does something itself.
function Bar({call, y, lane, X, end, view}) {
  const x = X(call.start), w = Math.max(2, X(call.end ?? end) - x), parts = [];
  const asks = call.children.filter(child => child.isPerson && !child.background).map(child => child.activities[0]);
  for (const one of [...call.activities, ...asks].sort((a, b) => a.start - b.start)) {
    const a = X(one.start), b = Math.max(a + .8, X(one.end ?? end)), last = parts.at(-1);
    if (last && a - last.x - last.w < .7 && (last.doing === one.doing || b - a < 1)) last.w = Math.max(last.w, b - last.x);
    else parts.push({doing: one.doing, x: a, w: b - a});
  }
  const name = `${who(call.agent)}, asked by ${who(call.sender)}: ${WORDS[stateOf(call)]}, ${seconds((call.end ?? end) - call.start)}`;
  return html`<g class="call ${BAD.has(call.outcome) ? 'bad' : ''} ${call === view.chosen ? 'chosen' : ''}" ...${press(() => view.pick(call))}>
    <title>${name}</title><rect class="whole" x=${x} y=${y} width=${w} height=${lane - 2} rx="2"/>
    <rect class="doing peers" x=${x} y=${y + lane / 2 - 2} width=${w} height="2"/>
    ${parts.map(part => html`<rect class="doing ${css(part.doing)}" x=${part.x} y=${y + .5} width=${part.w} height=${lane - 3} rx="1.5"/>`)}</g>`;
}

// Many calls at once: how many of them were in which state, as stacked areas of 2 px.
function Stack({agent, y, height, X, left, width, end}) {
  const n = Math.max(1, Math.ceil(width / 2)), at = t => Math.max(0, Math.min(n, Math.round((X(t) - left) / 2)));
  const counts = new Map(STACKED.map(doing => [doing, new Int32Array(n + 1)]));
  const add = (doing, from, to) => { const c = counts.get(doing), i = at(from), j = Math.max(i + 1, at(to)); c[i]++; if (j <= n) c[j]-- };
  for (const call of agent.calls) {
    let free = call.start;
    for (const one of call.activities) {
      if (one.start > free) add(PEERS, free, one.start);
      add(one.doing, one.start, one.end ?? end);
      free = Math.max(free, one.end ?? end);
    }
    if ((call.end ?? end) > free) add(PEERS, free, call.end ?? end);
  }
  const total = new Int32Array(n);
  for (const c of counts.values()) for (let i = 0, sum = 0; i < n; i++) total[i] += c[i] = sum += c[i];
  const most = Math.max(1, ...total);
  const base = new Float64Array(n), Y = value => (y + height - height * value / most).toFixed(1);
  return html`<rect class="whole" x=${left} y=${y} width=${width} height=${height}/>${STACKED.map(doing => {
    const c = counts.get(doing);
    let d = '';
    for (let i = 0; i < n;) {
      const count = c[i], low = base[i];
      let j = i;
      while (j < n && c[j] === count && base[j] === low) base[j++] += count;
      if (count > 0) d += `M${left + i * 2},${Y(low)}H${left + j * 2}V${Y(low + count)}H${left + i * 2}z`;
      i = Math.max(j, i + 1);
    }
    return d && html`<path class="doing ${css(doing)}" d=${d}/>`;
  })}`;
}

// --- events and other long lists, likewise

export function Events({lines, view, top, box, marked, choose}) {
  const {focus} = view, items = focus ? lines.filter(line => line.agent === focus || line.sender === focus || line.receiver === focus) : lines;
  return html`<${Rows} kind="events" row=${22} items=${items} top=${top} box=${box} draw=${(line, style) => {
    const {v, run, seq, part, t, type, agent = '', call, parent, ...rest} = line;
    return html`<button key=${`${seq}.${part}`} class=${marked === line ? 'chosen' : ''} style=${style} onClick=${() => choose(marked === line ? null : line)}>
      <span class="dim">${t.toFixed(3)}</span> <b>${type}</b> ${who(agent)} <span class="dim">${cut(JSON.stringify(rest), 200)}</span></button>`;
  }}/>`;
}

function Rows({kind, row, items, top, box, draw}) {
  const fit = Math.ceil(box.height / row) + 6, from = Math.max(0, Math.min(Math.floor(top / row) - 3, items.length - fit));
  return html`<div class=${kind} style=${{height: `${items.length * row}px`}}>${items.slice(from, from + fit).map((one, i) => draw(one, {top: `${(from + i) * row}px`}))}</div>`;
}
