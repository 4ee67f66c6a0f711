// The tree. It is a flat list of rows with levels, so that no depth of a job is a depth of the document. What a row
// has opened follows it: what hangs on it (.d), then pages of its children, with a row before and after that shows more
// of them. Everything that follows with a higher level belongs to the row, and goes when it is closed.

const tree = $("tree");
const WORDS = {
  p: "passed", x: "passx", f: "failed", e: "errored", a: "aborted", b: "blocked", s: "skipped",
  n: "without outcome", r: "running",
};

// The job itself: it has children, and no row.
const job = { level: 0, pages: null, from: 0, to: -1 };

const levelOf = (element) => Number(element.dataset.l);
const isRow = (element) => element.classList.contains("r");
const isOpen = (row) => row.getAttribute("aria-expanded") === "true";

// "part:rows,part:rows", or "=part" where that list is a part itself.
async function pagesOf(text) {
  if (text.startsWith("=")) text = await part(Number(text.slice(1)));
  let from = 0;
  return text.split(",").filter(Boolean).map((piece) => {
    const [number, rows] = piece.split(":").map(Number);
    from += rows;
    return { part: number, rows, from: from - rows };
  });
}

function dress(row, place, total) {
  const letter = row.className.match(/\bo-(.)/)[1];
  row.style.setProperty("--l", row.dataset.l);
  row.setAttribute("role", "treeitem");
  row.setAttribute("aria-level", row.dataset.l);
  row.setAttribute("aria-posinset", place);
  row.setAttribute("aria-setsize", total);
  row.firstElementChild.setAttribute("role", "img");
  row.firstElementChild.setAttribute("aria-label", WORDS[letter]);
  row.firstElementChild.title = WORDS[letter];
  row.tabIndex = -1;
  if (row.dataset.k || row.dataset.b) row.setAttribute("aria-expanded", "false");
}

const totalOf = (pages) => pages.length ? pages.at(-1).from + pages.at(-1).rows : 0;

async function pageRows(owner, at) {
  const page = owner.pages[at];
  const rows = [...fragment(await part(page.part)).children];
  const total = totalOf(owner.pages);
  rows.forEach((row, i) => dress(row, page.from + i + 1, total));
  return rows;
}

// What the children of an owner come after.
function anchorOf(owner) {
  if (owner === job) return null;
  const next = owner.nextElementSibling;
  return next?.classList.contains("d") && levelOf(next) > levelOf(owner) ? next : owner;
}

function insertAfter(anchor, nodes) {
  if (anchor) anchor.after(...nodes);
  else tree.prepend(...nodes);
}

function moreRow(owner, up) {
  const row = document.createElement("div");
  row.className = "more";
  row.dataset.l = (owner === job ? 0 : levelOf(owner)) + 1;
  row.style.setProperty("--l", row.dataset.l);
  row.setAttribute("role", "treeitem");
  row.setAttribute("aria-level", row.dataset.l);
  row.tabIndex = -1;
  row.owner = owner;
  row.up = up;
  const pages = owner.pages;
  const rest = up ? pages[owner.from].from : totalOf(pages) - pages[owner.to].from - pages[owner.to].rows;
  row.textContent = up ? `Show ${thousands(rest)} earlier` : `Show more: ${thousands(rest)} follow`;
  return row;
}

// Shows the page `at` of an owner's children, and nothing else of them.
async function showChildren(owner, at) {
  const rows = await pageRows(owner, at);
  owner.from = owner.to = at;
  if (at > 0) rows.unshift(moreRow(owner, true));
  if (at + 1 < owner.pages.length) rows.push(moreRow(owner, false));
  insertAfter(anchorOf(owner), rows);
}

async function showMore(row) {
  const { owner, up } = row;
  if (row.busy) return;
  row.busy = true;
  const at = up ? owner.from - 1 : owner.to + 1;
  const rows = await pageRows(owner, at);
  if (!row.isConnected) return;
  if (up) owner.from = at;
  else owner.to = at;
  const goesOn = up ? at > 0 : at + 1 < owner.pages.length;
  const first = up ? rows.at(-1) : rows[0];
  if (goesOn) rows[up ? "unshift" : "push"](moreRow(owner, up));
  row.replaceWith(...rows);
  focusRow(first);
}

function clearChildren(owner) {
  if (owner === job) {
    tree.replaceChildren();
    return;
  }
  const level = levelOf(owner);
  const anchor = anchorOf(owner);
  while (anchor.nextElementSibling && levelOf(anchor.nextElementSibling) > level) anchor.nextElementSibling.remove();
}

function closeRow(row) {
  row.setAttribute("aria-expanded", "false");
  const level = levelOf(row);
  while (row.nextElementSibling && levelOf(row.nextElementSibling) > level) row.nextElementSibling.remove();
}

// Opens a row: what hangs on it unless `quiet`, and the page of its children that has number `child`.
async function openRow(row, { quiet = false, child = 0 } = {}) {
  if (!row.hasAttribute("aria-expanded") || isOpen(row)) return;
  row.setAttribute("aria-expanded", "true");
  const stillWanted = () => row.isConnected && isOpen(row);
  if (row.dataset.b && !quiet) {
    const html = await part(Number(row.dataset.b));
    if (!stillWanted()) return;
    const shown = document.createElement("div");
    shown.className = "d";
    shown.dataset.l = levelOf(row) + 1;
    shown.style.setProperty("--l", row.dataset.l);
    shown.append(fragment(html));
    row.after(shown);
  }
  if (row.dataset.k) {
    row.pages ??= await pagesOf(row.dataset.k);
    const at = Math.max(0, row.pages.findIndex((page) => child < page.from + page.rows));
    if (stillWanted()) await showChildren(row, at);
  }
}

const toggle = (row) => (isOpen(row) ? closeRow(row) : openRow(row));

// The row of an owner's n-th child, its page shown if it is not yet.
async function childAt(owner, n) {
  const at = owner.pages.findIndex((page) => n < page.from + page.rows);
  if (at < 0) return null;
  if (at < owner.from || at > owner.to) {
    clearChildren(owner);
    await showChildren(owner, at);
  }
  const level = owner === job ? 0 : levelOf(owner);
  let row = owner === job ? tree.firstElementChild : owner.nextElementSibling;
  for (; row && levelOf(row) > level; row = row.nextElementSibling) {
    if (levelOf(row) === level + 1 && isRow(row) && Number(row.getAttribute("aria-posinset")) === n + 1) return row;
  }
  return null;
}

// Goes down to a section by the places of its ancestors and itself among their siblings, from 0.
async function reveal(places) {
  await treeReady;
  let owner = job;
  for (const [depth, place] of places.entries()) {
    const row = await childAt(owner, place);
    if (!row) return;
    if (depth + 1 === places.length) {
      await openRow(row);
      focusRow(row);
      row.classList.add("found");
      setTimeout(() => row.classList.remove("found"), 1600);
      row.scrollIntoView({ block: "center" });
      return;
    }
    if (!isOpen(row)) await openRow(row, { quiet: true, child: places[depth + 1] });
    owner = row;
  }
}

let focused = null;

function focusRow(row) {
  if (!row) return;
  if (focused) focused.tabIndex = -1;
  focused = row;
  row.tabIndex = 0;
  row.focus({ preventScroll: false });
  // The address names the section, so that it can be sent on.
  if (row.dataset.i) history.replaceState(null, "", "#" + row.dataset.i);
}

const isStop = (element) => isRow(element) || element.classList.contains("more");

function stopFrom(element, direction) {
  do element = direction > 0 ? element?.nextElementSibling : element?.previousElementSibling;
  while (element && !isStop(element));
  return element;
}

function aboveOf(row) {
  let above = row.previousElementSibling;
  while (above && !(isRow(above) && levelOf(above) < levelOf(row))) above = above.previousElementSibling;
  return above;
}

async function treeKey(event) {
  const row = event.target.closest(".r, .more");
  if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
  const canOpen = row.hasAttribute("aria-expanded");
  const actions = {
    ArrowDown: () => focusRow(stopFrom(row, 1)),
    ArrowUp: () => focusRow(stopFrom(row, -1)),
    ArrowRight: () => (canOpen && !isOpen(row) ? openRow(row) : canOpen && focusRow(stopFrom(row, 1))),
    ArrowLeft: () => (canOpen && isOpen(row) ? closeRow(row) : focusRow(aboveOf(row))),
    Home: () => focusRow(stopFrom({ nextElementSibling: tree.firstElementChild }, 1)),
    End: () => focusRow(isStop(tree.lastElementChild) ? tree.lastElementChild : stopFrom(tree.lastElementChild, -1)),
    Enter: () => (row.owner ? showMore(row) : canOpen && toggle(row)),
  };
  actions[" "] = actions.Enter;
  if (event.key in actions) {
    event.preventDefault();
    await actions[event.key]();
  }
}

function treeClick(event) {
  const row = event.target.closest(".r, .more");
  if (!row || String(getSelection())) return;
  if (row.owner) showMore(row);
  else {
    focusRow(row);
    toggle(row);
  }
}

// The rows of the first screen stand for themselves until the page has been read; then the real ones take their place.
async function startTree() {
  const { root } = await directory();
  job.pages = await pagesOf(root.pages);
  if (job.pages.length) {
    const rows = document.createElement("div");
    tree.replaceChildren(rows);
    await showChildren(job, 0);
    rows.remove();
    const first = tree.querySelector(".r");
    if (totalOf(job.pages) === 1) await openRow(first, { quiet: true });
    if (first) {
      focused = first;
      first.tabIndex = 0;
    }
  }
  if (root.body !== null) {
    const shown = document.createElement("div");
    shown.className = "d";
    shown.append(fragment(await part(root.body)));
    $("about").append(shown);
  }
}

tree.addEventListener("keydown", treeKey);
tree.addEventListener("click", treeClick);
const treeReady = startTree();

