// What ties it together: buttons, keys, theme, the address.

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("oyez-theme", root.dataset.theme);
  } catch {
    // A browser that keeps nothing for files forgets it; that is all.
  }
}

try {
  const kept = localStorage.getItem("oyez-theme");
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
} catch {
  // As above.
}

function toggleFailures() {
  const bad = ["f", "e", "a", "b"];
  showOutcomes(bad.some((letter) => outcomes.has(letter)) ? [] : bad);
}

const KEYS = {
  "/": () => $("q").focus(),
  "?": () => $("help").showModal(),
  f: toggleFailures,
  n: () => nextFailure(1),
  p: () => nextFailure(-1),
  t: theme,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  if (event.key === "Escape") {
    leaveSearch();
    if (event.target === $("q")) focused?.focus();
    return;
  }
  if (event.target === $("q")) {
    if (event.key === "ArrowDown" || event.key === "Enter") hits.querySelector("a")?.focus();
    return;
  }
  if (event.target.closest?.("#hits") && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    const to = event.key === "ArrowDown" ? event.target.nextElementSibling : event.target.previousElementSibling;
    event.preventDefault();
    (to ?? $("q")).focus();
    return;
  }
  if (event.key in KEYS) {
    event.preventDefault();
    KEYS[event.key]();
  }
});

let typing = 0;
$("q").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(search, 150);
});

for (const chip of document.querySelectorAll(".chip")) {
  chip.addEventListener("click", () => {
    const letters = [...outcomes];
    const letter = chip.dataset.o;
    showOutcomes(outcomes.has(letter) ? letters.filter((other) => other !== letter) : [...letters, letter]);
    $("all").scrollIntoView({ block: "start" });
  });
}

$("theme").addEventListener("click", theme);
$("help-open").addEventListener("click", KEYS["?"]);
$("next").addEventListener("click", () => nextFailure(1));
$("fold").addEventListener("click", () => tree.querySelectorAll('.r[aria-expanded="true"]').forEach((row) => row.isConnected && closeRow(row)));
for (const id of ["theme", "help-open", "q", "next", "fold"]) $(id).hidden = false;
$("next").hidden = !document.querySelector(".chip.o-f, .chip.o-e, .chip.o-a, .chip.o-b");

addEventListener("hashchange", follow);

// An address may ask for a search: #?q=words&o=fe
async function start() {
  await treeReady;
  const asks = location.hash.startsWith("#?") ? new URLSearchParams(location.hash.slice(2)) : null;
  if (asks) {
    $("q").value = asks.get("q") ?? "";
    showOutcomes([...(asks.get("o") ?? "")]);
  } else await follow();
  document.body.dataset.ready = "true";
}
start();
