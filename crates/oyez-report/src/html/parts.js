// Parts: pieces of HTML in compressed chunks, unpacked when they are wanted. The directory at the end of the page says
// which part each chunk begins with; a part is found by looking for the last chunk that does not begin after it.

const $ = (id) => document.getElementById(id);

const loaded = new Promise((resolve) => {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", resolve);
  else resolve();
});

let known = null;

// The directory; there once the whole page has been read.
async function directory() {
  await loaded;
  known ??= JSON.parse($("dir").textContent);
  return known;
}

async function unpack(id) {
  const text = $(id).textContent;
  const bytes = Uint8Array.fromBase64
    ? Uint8Array.fromBase64(text)
    : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).text();
}

// The chunks that were used last, unpacked.
const RECENT = 24;
const recent = new Map();

function chunk(number) {
  let parts = recent.get(number);
  if (parts) recent.delete(number);
  else parts = unpack("c" + number).then((text) => text.split("\0"));
  recent.set(number, parts);
  if (recent.size > RECENT) recent.delete(recent.keys().next().value);
  return parts;
}

async function part(number) {
  const first = (await directory()).parts;
  let low = 0;
  let high = first.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (first[middle] <= number) low = middle;
    else high = middle;
  }
  return (await chunk(low))[number - first[low]];
}

function fragment(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

const thousands = (n) => n.toLocaleString("en-US");

