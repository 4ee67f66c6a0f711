// Search and filter. The index has a line for each section in the order of the tree:
//   DEPTH LETTER ID TAB NAME
// The letter is the outcome's, large when the section is a result; the id is as it differs from the one before (nothing:
// the next number; +n, -n: another number; else the whole). It is read from its beginning each time: a million names
// take about a second, and need no memory.

const hits = $("hits");
const found = $("found");
const MOST_HITS = 5000;
const HITS_AT_ONCE = 200;

// Reads the index; `visit` gets the entry and says true when it has seen enough. Between chunks `goOn` is asked.
async function scan(visit, goOn = () => true, progress = () => {}) {
  const { index } = await directory();
  const entry = { depth: 0, letter: "", name: "", producer: "", number: 0, places: [], names: [] };
  let seen = 0;
  for (let n = 0; n < index; n++) {
    const text = await unpack("i" + n);
    if (!goOn()) return false;
    let from = 0;
    while (from < text.length) {
      let end = text.indexOf("\n", from);
      if (end < 0) end = text.length;
      let at = from;
      let depth = 0;
      for (let c = text.charCodeAt(at); c >= 48 && c <= 57; c = text.charCodeAt(++at)) depth = depth * 10 + c - 48;
      entry.letter = text[at++];
      const tab = text.indexOf("\t", at);
      readId(entry, text.slice(at, tab));
      entry.name = text.slice(tab + 1, end);
      entry.places.length = depth;
      entry.names.length = depth;
      // Below a new parent the places count from 0 again.
      entry.places[depth - 1] = depth > entry.depth ? 0 : entry.places[depth - 1] + 1;
      entry.names[depth - 1] = entry.name;
      entry.depth = depth;
      seen++;
      if (visit(entry)) return true;
      from = end + 1;
    }
    progress(seen);
  }
  return false;
}

function readId(entry, text) {
  if (text === "") entry.number++;
  else if (text[0] === "+" || text[0] === "-") entry.number += Number(text);
  else {
    const dot = text.indexOf(".");
    entry.producer = text.slice(0, dot);
    entry.number = Number(text.slice(dot + 1));
  }
}

const idOf = (entry) => `${entry.producer}.${entry.number}`;
const isBad = (letter) => "FEAB".includes(letter);

// Ways down that have been found, by id: a link that was listed need not be looked for again.
const ways = new Map();

async function wayTo(id) {
  if (ways.has(id)) return ways.get(id);
  let way = null;
  await scan((entry) => idOf(entry) === id && (way = [...entry.places]));
  if (way) ways.set(id, way);
  return way;
}

const outcomes = new Set();
let asked = 0;

async function search() {
  const mine = ++asked;
  const words = $("q").value.trim().toLowerCase();
  const active = words !== "" || outcomes.size > 0;
  tree.hidden = active;
  hits.hidden = found.hidden = !active;
  if (!active) return;
  hits.replaceChildren();
  const list = [];
  let total = 0;
  const { sections } = await directory();
  const matches = (entry) => {
    const letter = entry.letter;
    if (outcomes.size > 0) {
      // Without words the filter lists results, as the counts above count them.
      if (words === "" ? !outcomes.has(letter.toLowerCase()) || letter < "A" || letter > "Z" : !outcomes.has(letter.toLowerCase())) return;
    }
    if (words !== "" && !entry.name.toLowerCase().includes(words)) return;
    total++;
    if (list.length < MOST_HITS) {
      const above = entry.names.slice(0, -1);
      list.push({ id: idOf(entry), letter: letter.toLowerCase(), name: entry.name, above, places: [...entry.places] });
    }
  };
  let shown = 0;
  const showSome = () => {
    hits.querySelector(".more")?.remove();
    for (const hit of list.slice(shown, shown + HITS_AT_ONCE)) hits.append(hitRow(hit));
    shown = Math.min(list.length, shown + HITS_AT_ONCE);
    if (shown < list.length) {
      const more = document.createElement("button");
      more.className = "more";
      more.textContent = `Show more: ${thousands(list.length - shown)} follow`;
      more.addEventListener("click", showSome);
      hits.append(more);
    }
  };
  const say = (seen) => {
    const of = seen < sections ? `${thousands(seen)} of ${thousands(sections)}` : thousands(sections);
    found.textContent = `${thousands(total)} found in ${of} sections${total > MOST_HITS ? `; the first ${thousands(MOST_HITS)} are listed` : ""}`;
    if (shown < HITS_AT_ONCE) showSome();
  };
  await scan((entry) => void matches(entry), () => mine === asked, say);
  if (mine === asked) {
    say(sections);
    document.body.dataset.found = total;
  }
}

function hitRow(hit) {
  ways.set(hit.id, hit.places);
  const row = document.createElement("a");
  row.className = "hit o-" + hit.letter;
  row.href = "#" + hit.id;
  const mark = document.createElement("b");
  mark.setAttribute("role", "img");
  mark.setAttribute("aria-label", WORDS[hit.letter] ?? "");
  const name = document.createElement("span");
  name.textContent = hit.name || "(without a name)";
  const above = document.createElement("em");
  above.textContent = hit.above.join(" › ");
  row.append(mark, name, above);
  return row;
}

function showOutcomes(letters) {
  outcomes.clear();
  for (const chip of document.querySelectorAll(".chip")) {
    const on = letters.includes(chip.dataset.o);
    if (on) outcomes.add(chip.dataset.o);
    chip.setAttribute("aria-pressed", on);
  }
  search();
}

function leaveSearch() {
  $("q").value = "";
  showOutcomes([]);
}

// Shows the section that the address names.
async function follow() {
  const id = decodeURIComponent(location.hash.slice(1));
  if (!/^[0-9a-f]+\.\d+$/.test(id)) return;
  const way = await wayTo(id);
  if (!way) return;
  if (tree.hidden) leaveSearch();
  await reveal(way);
  document.body.dataset.shown = id;
}

// The results that failed, in the order of the tree.
let failures = null;
let failureAt = -1;

async function nextFailure(step) {
  if (!failures) {
    failures = [];
    await scan((entry) => {
      if (isBad(entry.letter)) failures.push({ id: idOf(entry), places: [...entry.places] });
      return failures.length >= MOST_HITS;
    });
  }
  if (failures.length === 0) return;
  if (tree.hidden) leaveSearch();
  failureAt = (failureAt + step + failures.length) % failures.length;
  await reveal(failures[failureAt].places);
}

