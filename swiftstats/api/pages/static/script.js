/* What a plot gains with scripts: a readout under the pointer or by arrow keys, and a range by dragging. Its numbers are those of
   the table beneath it. Nothing else on the pages needs a script. */
"use strict";

for (const figure of document.querySelectorAll("[data-plot]")) {
  const svg = figure.querySelector("svg.plot"), readout = figure.querySelector("output");
  const heads = [...figure.querySelectorAll("thead th")].map((head) => head.textContent);
  const rows = [...figure.querySelectorAll("tbody tr")];
  const drawing = figure.querySelector(".drawing");
  if (!rows.length) continue;
  drawing.tabIndex = 0;
  drawing.setAttribute("role", "group");
  drawing.setAttribute("aria-label", figure.querySelector("h2").textContent + ": arrow keys read it, Enter zooms in");
  const mark = (name) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    made.setAttribute("class", name);
    made.setAttribute("y", "16");
    made.setAttribute("height", "160");
    return made;
  };
  const cursor = mark("cursor"), chosen = mark("chosen");
  let at = null, from = null;

  const place = (rect, first, last) => {
    rect.setAttribute("x", 100 * first / rows.length + "%");
    rect.setAttribute("width", 100 * (last - first + 1) / rows.length + "%");
    svg.append(rect);
  };
  const text = (cell) => [...cell.childNodes].filter((node) => !(node.getAttribute && node.getAttribute("aria-hidden")))
    .map((node) => node.textContent).join("").trim();
  const show = (index) => {
    at = Math.max(0, Math.min(rows.length - 1, index));
    place(cursor, at, at);
    const [when, ...values] = rows[at].children;
    readout.textContent = when.textContent.trim() + " · " + values.map((cell, number) =>
      number < values.length - 1 ? heads[number + 1] + " " + (text(cell) || "not begun") : text(cell)).join(" · ");
  };
  const under = (event) => {
    const box = svg.getBoundingClientRect();
    return Math.floor((event.clientX - box.left) / box.width * rows.length);
  };
  const zoom = (first, last) => {
    const ask = new URL(location.href);
    ask.searchParams.set("begin", rows[first].querySelector("time").dateTime);
    ask.searchParams.set("end", rows[last].querySelector("time").dataset.end);
    ask.searchParams.delete("granularity");
    location.assign(ask);
  };
  drawing.addEventListener("pointermove", (event) => {
    show(under(event));
    if (from !== null) place(chosen, Math.min(from, at), Math.max(from, at));
  });
  drawing.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button === 0) from = Math.max(0, Math.min(rows.length - 1, under(event)));
  });
  addEventListener("pointerup", () => {
    if (from !== null && at !== null && from !== at) zoom(Math.min(from, at), Math.max(from, at));
    from = null;
    chosen.remove();
  });
  drawing.addEventListener("pointerleave", () => { if (from === null) cursor.remove(); });
  drawing.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -7, PageDown: 7, Home: -Infinity, End: Infinity }[event.key];
    if (move !== undefined) show(at === null ? (move < 0 ? rows.length - 1 : 0) : at + move);
    else if (event.key === "Enter" && at !== null && rows.length > 1) zoom(at, at);
    else return;
    event.preventDefault();
  });
}

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}

/* Paper shows everything. */
addEventListener("beforeprint", () => { for (const each of document.querySelectorAll("details")) each.open = true; });
