// Reduces the event lines of a run to its state: what each call does and did, who waits for whom.
// No page, no network. Run, held and critical say what agentouto.events says, which a test compares.

export const MODEL = 'model', WRITING = 'writing', TOOL = 'tool', PERSON = 'person', LIMITED = 'rate limit',
  QUEUE = 'queue', MAIL = 'mail', ENGINE = 'engine', PEERS = 'peers', YOU = 'you';

const PIECES = {token: 'text', thinking: 'thinking', draft: 'draft'};

// Title, text and whether it is bad.
const NOTES = {
  note: line => ['told by agentouto', line.text],
  limit: line => [line.reached ? 'limit reached' : 'limit near', `${line.limit}: ${line.spent} of ${line.allowed}`, line.reached],
  summarized: line => [`summarized, ${line.tokens_before} to ${line.tokens_after} tokens`, line.text],
  'summary.failed': line => ['could not be summarized', line.error, true],
  repeated: line => ['repeated', `asked the same ${line.times} times`],
  'tool.interrupted': line => [`${line.tool} was interrupted`, 'The process ended while it was at work.'],
  'turn.restarted': () => ['asks its model again', 'The process ended before the reply was complete.'],
  'model.switch': line => [`goes on with ${line.model} instead of ${line.from}`, line.error],
};

class Call {
  constructor(line, parent, start, number) {
    Object.assign(this, {
      id: line.call, agent: line.agent, parent, background: line.background === true, text: line.text ?? '', start,
      end: null, outcome: '', children: [], activities: [], since: start, model: null, tools: new Map(),
      toolCall: line.tool_call, waits: [], mail: [], isPerson: line.type === 'ask',
      // for the page
      sender: line.sender, number, lane: 0, rows: [0, Infinity], log: [], writing: null, modelName: '', input: 0, output: 0, cost: 0,
      kind: line.kind, tool: line.tool, arguments: line.arguments, options: line.options ?? [], error: '', answer: null, until: 0,
    });
    if (this.isPerson) this.activities.push(activity(PERSON, start, this.text));
  }

  openActivities() {
    if (this.isPerson) return this.end === null ? this.activities.slice(0, 1) : [];
    return [...[...this.tools.values()].filter(one => one.end === null), ...(this.model ? [this.model] : []), ...this.waits];
  }

  openChildren() { return this.children.filter(child => child.end === null && !child.background) }

  begin(doing, now, detail = '') {
    const one = activity(doing, now, detail);
    this.activities.push(one);
    return one;
  }

  turnTo(doing, now, detail = '') {
    if (this.model) this.model.end = now;
    this.model = doing === null ? null : this.begin(doing, now, detail);
  }

  // A tool that makes a call, or needs an approval, does nothing until that has ended.
  pauseOrResume(at, now) {
    const tool = this.tools.get(at);
    if (!tool) return;
    if (this.openChildren().some(one => one.toolCall === at)) tool.end ??= now;
    else if (tool.end !== null) this.tools.set(at, this.begin(TOOL, now, tool.detail));
  }

  finish(outcome, now) {
    this.outcome = outcome;
    this.end = now;
    for (const one of this.activities) one.end ??= now;
    this.model = null;
    this.tools.clear();
    this.waits.length = 0;
    if (this.parent?.end === null) this.parent.pauseOrResume(this.toolCall, now);
  }

  add(entry) { this.log.push(entry); return entry }
}

const activity = (doing, start, detail) => ({doing, start, end: null, detail, cause: null});

export class Run {
  constructor() {
    Object.assign(this, {
      calls: new Map(), now: 0, over: false, turns: 0, sent: 0,
      // for the page
      text: '', status: 'none', error: null, count: 0, asked: null,
      agents: new Map(), messages: [], edges: new Map(), letters: new Map(), problems: [],
    });
    this.agent('user');
  }

  get all() { return [...this.calls.values()] }
  get open() { return this.all.filter(call => call.end === null) }
  get roots() { return this.all.filter(call => !call.parent) }

  /** What waits for people, oldest first; `asked` has the ids of what was not answered, if no process works on the run. */
  get asks() { return this.open.filter(call => call.isPerson && (this.asked?.includes(call.id) ?? true)) }
  get questions() { return this.asks.filter(call => call.agent === 'user') }

  agent(name) {
    let found = this.agents.get(name);
    if (!found) this.agents.set(name, found = {name, model: '', role: '', person: name === 'user', calls: [], lanes: []});
    return found;
  }

  feedAll(lines) { for (const line of lines) this.feed(line); return this }

  feed(line) {
    this.count++;
    this.now = Math.max(this.now, line.t);
    const type = line.type, call = this.calls.get(line.call);
    if (type === 'forward' || type === 'ask') this.#begin(line);
    else if (type === 'run.start') this.#start(line);
    else if (type === 'run.end') this.#end(line);
    else if (call) {
      if (call.end === null) {
        call.since = this.now;
        this.#take(call, type, line);
      }
      this.#converse(call, type, line);
    } else if (type === 'message') this.#post(line, null);
    else if (type === 'source.missing') this.problems.push(`The tools of ${line.source} are missing: ${line.error}`);
    return this;
  }

  #start(line) {
    Object.assign(this, {text: line.text, status: 'running'});
    for (const one of [...(line.agents ?? []), ...(line.peers ?? [])]) Object.assign(this.agent(one.name), one);
  }

  #end(line) {
    this.over = true;
    Object.assign(this, {status: line.status, error: line.error});
    for (const call of this.calls.values()) if (call.end === null) call.finish('stopped', this.now);
  }

  #begin(line) {
    const parent = this.calls.get(line.parent) ?? null;
    const call = new Call(line, parent, this.now, this.calls.size + 1);
    this.calls.set(call.id, call);
    this.sent++;
    if (parent) { parent.children.push(call); parent.since = this.now; parent.pauseOrResume(call.toolCall, this.now) }
    const agent = this.agent(call.agent);
    const free = agent.lanes.findIndex(last => last.end !== null);
    call.lane = free < 0 ? agent.lanes.length : free;
    agent.lanes[call.lane] = call;
    agent.calls.push(call);
    this.#message(line.type, call.sender, call.agent, line, call);
    call.add({kind: 'in', who: call.sender, text: call.text, t: line.t});
    parent?.add({kind: call.isPerson ? 'ask' : 'out', who: call.agent, text: call.text,
      t: line.t, call, background: call.background});
  }

  // As agentouto._core.run_history does.
  #take(call, type, line) {
    const now = this.now;
    if (type in PIECES || type === 'text') {
      if (call.model?.doing !== WRITING) call.turnTo(WRITING, now);
    } else if (type === 'model.start') call.turnTo(MODEL, now, line.model);
    else if (type === 'model.wait') call.turnTo(line.why === 'parallel' ? QUEUE : LIMITED, now, line.error);
    else if (type === 'model.end') {
      this.turns++;
      splitAtFirstWord(call, line);
      call.turnTo(null, now);
    } else if (type === 'tool.start' && line.tool !== 'wait_for_messages') {
      call.tools.set(line.tool_call, call.begin(TOOL, now, line.tool));
    } else if (type === 'tool.end') {
      const tool = call.tools.get(line.tool_call);
      if (tool) tool.end ??= now;
      call.tools.delete(line.tool_call);
    } else if (type === 'wait') call.waits.push(call.begin(MAIL, now, line.for));
    else if (type === 'wait.end') this.#endWait(call, line.for);
    else if (type === 'message') this.#post(line, call);
    else if (type === 'return') { this.sent++; call.finish('returned', now) }
    else if (type === 'error') call.finish(line.kind, now);
  }

  #post(line, sender) {
    this.sent++;
    const reader = this.calls.get(line.to);
    if (reader) reader.mail.push([String(line.call), this.now]);
    const entry = {kind: 'message', who: line.sender, to: line.receiver, text: line.text, t: line.t, fate: 'delivered',
      turn: null, after: 0, reason: ''};
    this.letters.set(line.id, entry);
    if (reader) reader.add(entry);
    if (sender && sender !== reader) sender.add(entry);
    this.#message('message', line.sender, line.receiver, line, reader ?? sender).letter = entry;
  }

  #endWait(call, sender) {
    const wait = call.waits.find(one => one.detail === sender);
    if (!wait) return;
    call.waits.splice(call.waits.indexOf(wait), 1);
    wait.end = this.now;
    wait.cause = call.mail.find(([, at]) => at > wait.start) ?? null;
  }

  // The conversation of a call, for people to read.
  #converse(call, type, line) {
    if (type in PIECES) return void this.#write(call, type, line);
    if (type in NOTES) this.#note(call, type, line);
    else if (type.startsWith('model.')) this.#ask(call, type, line);
    else if (type.startsWith('message.')) this.#letter(type, line);
    else if (type.startsWith('tool.')) this.#tool(call, type, line);
    else if (type === 'return' || type === 'error') this.#answer(call, type, line);
    else if (type === 'spent') this.#count(call, line);
  }

  #note(call, type, line) {
    const [who, text, bad] = NOTES[type](line);
    call.add({kind: 'note', who, text, bad, t: line.t});
  }

  #write(call, type, line) {
    const kind = PIECES[type], slot = line.slot ?? null;
    let entry = call.writing;
    if (!entry || entry.kind !== kind || entry.slot !== slot) {
      entry = call.writing = call.add({kind, slot, who: line.tool ?? call.agent, text: '', t: line.t});
    }
    entry.text += line.text;
  }

  #ask(call, type, line) {
    if (type === 'model.start') { call.modelName = line.model; call.until = 0 }
    else if (type === 'model.wait') {
      call.until = line.seconds === null ? 0 : line.t + line.seconds;
      const last = call.log.at(-1);
      const entry = last?.kind === 'wait' ? last : call.add({kind: 'wait', who: '', text: '', t: line.t});
      Object.assign(entry, {why: line.why, seconds: line.seconds, attempt: line.attempt, text: line.error});
    } else if (type === 'model.end') {
      call.log = call.log.filter(entry => entry.kind !== 'draft');
      call.writing = null;
      this.#count(call, line);
    }
  }

  #count(call, line) {
    call.input += line.input ?? 0;
    call.output += line.output ?? 0;
    call.cost += line.cost ?? 0;
  }

  #tool(call, type, line) {
    const at = line.tool_call, open = call.log.findLast(entry => entry.kind === 'tool' && entry.at === at);
    if (type === 'tool.start') {
      call.add({kind: 'tool', who: line.tool, at, args: line.raw_arguments === undefined ? line.arguments : {arguments: line.raw_arguments}, text: null, t: line.t, end: null});
    } else if (type === 'tool.progress') {
      const told = line.total ? `${line.text} ${line.done} of ${line.total}` : line.text;
      if (open) open.progress = told;
    } else if (open) {
      Object.assign(open, {text: line.result, end: line.t, bad: line.failed, files: line.files});
    }
  }

  #letter(type, line) {
    const letter = this.letters.get(line.id);
    if (!letter) return;
    letter.fate = type === 'message.read' ? 'read' : 'returned';
    Object.assign(letter, {turn: line.turn ?? null, reason: line.reason ?? '', after: line.t - letter.t});
  }

  #answer(call, type, line) {
    const text = type === 'return' ? line.text : line.error, bad = type === 'error';
    call.writing = null;
    call.log = call.log.filter(entry => entry.kind !== 'draft');
    call[bad ? 'error' : 'answer'] = text;
    if (call.isPerson) {
      if (!bad) this.#message('answer', call.agent, call.sender, line, call);
      return;
    }
    call.add({kind: bad ? 'error' : 'return', who: bad ? line.kind : line.receiver, text, t: line.t, files: line.files});
    this.#message(bad ? 'error' : 'return', call.agent, call.sender, {...line, text}, call);
    call.parent?.add({kind: 'back', who: call.agent, text, t: line.t, call, bad});
  }

  #message(kind, from, to, line, call) {
    const message = {kind, from, to, t: line.t, text: line.text, call, index: this.messages.length,
      background: kind !== 'message' && call.background};
    if (kind !== 'message') call.rows[+(call.end !== null)] = message.index;
    this.messages.push(message);
    this.agent(from);
    this.agent(to);
    if (kind === 'forward' || kind === 'ask' || kind === 'message') {
      const key = `${from}\n${to}`;
      let edge = this.edges.get(key);
      if (!edge) this.edges.set(key, edge = {from, to, calls: 0, messages: 0, failed: 0});
      if (kind === 'message') edge.messages++; else edge.calls++;
    } else if (kind === 'error') {
      const edge = this.edges.get(`${to}\n${from}`);
      if (edge) edge.failed++;
    }
    return message;
  }
}

// Who reads later gets the words all at the end: `first` says when they began.
function splitAtFirstWord(call, line) {
  const began = call.activities.findLast(one => one.doing === MODEL);
  if (!began || typeof line.first !== 'number') return;
  const word = began.start + line.first;
  if (call.model === began) call.turnTo(WRITING, word);
  else if (call.model?.doing === WRITING) began.end = call.model.start = Math.min(word, call.model.start);
}

/** What a call does now, in one word: a doing, `you`, `peers`, or its outcome. */
export function stateOf(call) {
  if (call.end !== null) return call.outcome;
  if (call.isPerson) return call.agent === 'user' ? YOU : PERSON;
  const children = call.openChildren();
  if (children.some(child => child.isPerson)) return children.some(child => child.agent === 'user') ? YOU : PERSON;
  const [first] = call.openActivities();
  if (first && first.doing !== MAIL) return first.doing;
  return children.length ? PEERS : first ? MAIL : ENGINE;
}

/** Who acts now, and whom each holds up: persons first, then by how many calls. */
export function held(run) {
  const open = run.open;
  const waiters = new Map(open.map(call => [call.id, []])), acting = [];
  for (const call of open) {
    const awaited = call.openChildren().map(child => child.id);
    for (const wait of call.waits) if (waiters.has(wait.detail)) awaited.push(wait.detail);
    for (const other of awaited) waiters.get(other).push(call.id);
    if (!awaited.length || call.openActivities().some(one => one.doing !== MAIL)) acting.push(call);
  }
  const found = new Map(acting.map(call => [call.id, reachable(waiters, call.id)]));
  const reached = new Set([...found].flatMap(([id, holds]) => [id, ...holds]));
  for (const call of open) {
    if (reached.has(call.id)) continue;
    found.set(call.id, reachable(waiters, call.id));
    for (const id of [call.id, ...found.get(call.id)]) reached.add(id);
  }
  const entries = [...found].map(([id, holds]) => entryOf(run.calls.get(id), holds));
  return entries.sort((a, b) => (a.doing !== PERSON) - (b.doing !== PERSON) || b.holds.length - a.holds.length || a.since - b.since);
}

function entryOf(call, holds) {
  const all = call.openActivities(), {doing, start} = all[0] ?? {doing: ENGINE, start: call.since};
  const detail = all.filter(one => one.doing === doing).map(one => one.detail).join(', ');
  return {call: call.id, agent: call.agent, doing, detail, since: start, holds};
}

function reachable(waiters, start) {
  const found = new Set([start]);
  for (const one of found) for (const waiter of waiters.get(one)) found.add(waiter);
  return [...found].slice(1);
}

/** The chain of work that decided when the answer came, in the order of time; pieces have no gaps. */
export const critical = run => run.over ? run.path ??= walk(run) : walk(run);

function walk(run) {
  const roots = run.roots;
  if (!roots.length) return [];
  const endOf = part => part.end ?? run.now, pieces = [], sorted = new Map(), crossed = new Set();
  let call = roots.reduce((a, b) => endOf(b) > endOf(a) ? b : a), time = endOf(call);
  const add = (doing, detail, start) => {
    if (start < time) pieces.push({call: call.id, agent: call.agent, doing, detail, start, end: time}), time = start;
  };
  const lastBefore = () => {
    if (!sorted.has(call)) {
      const parts = [...call.activities, ...call.children.filter(child => !child.background)];
      sorted.set(call, parts.sort((a, b) => endOf(a) - endOf(b)));
    }
    return sorted.get(call).findLast(part => endOf(part) <= time && part.start < time);
  };
  const crosses = wait => {
    if (!wait.cause) return false;
    const [id, sent] = wait.cause, sender = run.calls.get(id), here = `${call.id} ${sent}`;
    if (!sender || sent > time || crossed.has(here)) return false;
    crossed.add(here);
    add(wait.doing, wait.detail, sent);
    call = sender;
    return true;
  };
  for (;;) {
    const last = lastBefore();
    if (!last) {
      add(ENGINE, '', Math.max(call.start, 0));
      if (!call.parent) { add(ENGINE, '', 0); return pieces.reverse() }
      call = call.parent;
      continue;
    }
    add(ENGINE, '', endOf(last));
    if (last instanceof Call) call = last;
    else if (!crosses(last)) add(last.doing, last.detail, last.start);
  }
}

/** What the time of a path went into, largest first, with its share of the whole. */
export function spentOn(path) {
  const sums = new Map(), all = path.reduce((sum, piece) => sum + piece.end - piece.start, 0) || 1;
  for (const {doing, agent, detail, call, start, end} of path) {
    const what = doing === TOOL ? detail : '', key = [doing, agent, what].join('\n');
    const sum = sums.get(key) ?? {doing, agent, detail: what, call, seconds: 0};
    sum.seconds += end - start;
    sums.set(key, sum);
  }
  return [...sums.values()].map(sum => ({...sum, share: sum.seconds / all})).sort((a, b) => b.seconds - a.seconds);
}

/** The text of `message` in JSON that is still being written; of other arguments, the JSON itself. */
export function messageSoFar(json) {
  const found = /"(?:message|text)"\s*:\s*"((?:[^"\\]|\\u[\da-f]{4}|\\[^u])*)/i.exec(json);
  if (!found) return json.length > 60 ? json.slice(-400) : '';
  try { return JSON.parse(`"${found[1]}"`) } catch { return found[1] }
}
