/* Cases of quality control: a grid in pages, ratings by keyboard, kept by the browser.
   Whatever comes from the predictions is set as text, never as markup. */
(function () {
  "use strict";

  const { page } = window.neurotargetReport;
  const PAGE_CASES = 60;
  const FEW_VALUES = 4; // of a case that is not enlarged
  const RATINGS = { 1: "good", 2: "doubtful", 3: "exclude" };
  const HEAD = "case_id\trating\tnote";
  const part = (name) => document.querySelector(`[data-part="${name}"]`);
  const grid = part("grid"), show = part("show"), search = part("search");

  const cases = page.cases.map(([id, status, note, picture, values], place) => ({
    id, status, note, picture, values, place,
    out: values.map((value, column) => isOutside(value, page.columns[column])),
  }));
  const byId = new Map(cases.map((one) => [one.id, one]));

  function isOutside(value, [, , low, high]) {
    return value !== null && ((low !== null && value < low) || (high !== null && value > high));
  }

  // -- ratings, kept by the browser --------------------------------------------------------------
  const KEY = `neurotarget-qc ${page.key} ${location.pathname}`;
  let ratings = new Map();

  function warn(text) {
    part("warning").textContent = text;
    part("warning").hidden = false;
  }

  function recall() {
    try {
      take(JSON.parse(localStorage.getItem(KEY) ?? "[]"));
    } catch {
      warn("This browser keeps no ratings: download them before you close the page.");
    }
  }

  function take(entries) {
    for (const [id, rating, note] of entries) {
      const known = byId.has(id) && (rating in RATINGS || rating === "");
      if (known) ratings.set(id, { rating: String(rating), note: String(note ?? "") });
    }
  }

  function keep() {
    try {
      const entries = [...ratings].map(([id, { rating, note }]) => [id, rating, note]);
      localStorage.setItem(KEY, JSON.stringify(entries));
    } catch {
      warn("This browser keeps no ratings: download them before you close the page.");
    }
  }

  const ratingOf = (one) => ratings.get(one.id) ?? { rating: "", note: "" };

  function change(one, changed) {
    const next = { ...ratingOf(one), ...changed };
    if (next.rating || next.note) ratings.set(one.id, next);
    else ratings.delete(one.id);
    keep();
    dress(one);
    count();
  }

  // -- table of ratings -----------------------------------------------------------------------------
  const flat = (text) => text.replace(/[\t\r\n]+/g, " ").trim();

  function quoted(text) {
    return text.includes('"') ? `"${text.replaceAll('"', '""')}"` : text;
  }

  function unquoted(text) {
    return /^".*"$/.test(text) ? text.slice(1, -1).replaceAll('""', '"') : text;
  }

  function tsv() {
    const lines = cases.filter((one) => ratings.has(one.id)).map((one) => {
      const { rating, note } = ratingOf(one);
      return [one.id, rating || "n/a", flat(note) || "n/a"].map(quoted).join("\t");
    });
    return `${[HEAD, ...lines].join("\n")}\n`;
  }

  part("save").addEventListener("click", () => {
    const link = document.createElement("a");
    link.download = "ratings.tsv";
    link.href = URL.createObjectURL(new Blob([tsv()], { type: "text/tab-separated-values" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });

  part("load").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (!file) return;
    const [head, ...lines] = (await file.text()).split(/\r?\n/).filter((line) => line);
    if (head !== HEAD) {
      warn(`${file.name}: found no head ${HEAD.replaceAll("\t", ", ")}; load a table of ratings of this page.`);
      return;
    }
    const rows = lines.map((line) => line.split("\t").map(unquoted));
    const strange = rows.filter(([id]) => !byId.has(id)).length;
    take(rows.map(([id, rating, note]) => [id, rating === "n/a" ? "" : rating, note === "n/a" ? "" : note]));
    if (strange) warn(`${file.name}: ${strange} of ${rows.length} cases are not on this page.`);
    keep();
    fill();
  });

  // -- which cases are shown ------------------------------------------------------------------------
  const CHOICES = [
    ["All cases", () => true],
    ["To look at", (one) => one.note !== "" || one.out.includes(true)],
    ["Failed", (one) => one.status === "failed"],
    ["Not rated", (one) => !ratingOf(one).rating],
    ...Object.entries(RATINGS).map(([rating, name]) => [
      `Rated ${rating}, ${name}`, (one) => ratingOf(one).rating === rating,
    ]),
  ];
  CHOICES.forEach(([name], place) => show.append(new Option(name, place)));
  let shown = cases, first = 0, current = null, isLarge = false;

  function fill(at = 0) {
    const [, isShown] = CHOICES[Number(show.value)];
    const text = search.value.trim().toLowerCase();
    shown = cases.filter((one) => isShown(one) && one.id.toLowerCase().includes(text));
    turnTo(at);
  }

  function turnTo(start) {
    first = Math.max(0, Math.min(start, Math.floor((shown.length - 1) / PAGE_CASES) * PAGE_CASES));
    grid.replaceChildren(...shown.slice(first, first + PAGE_CASES).map(card));
    if (!shown.length) grid.append(element("p", "No case.", "note"));
    pager();
    count();
  }

  function pager() {
    const place = part("pager");
    place.replaceChildren();
    if (shown.length <= PAGE_CASES) return;
    const button = (text, step) => {
      const made = element("button", text, "quiet");
      made.type = "button";
      made.disabled = first + step < 0 || first + step >= shown.length;
      made.addEventListener("click", () => {
        turnTo(first + step);
        grid.scrollIntoView();
      });
      return made;
    };
    const last = Math.min(first + PAGE_CASES, shown.length);
    const where = element("span", `${first + 1} to ${last} of ${shown.length}`);
    place.append(button("Previous cases", -PAGE_CASES), where, button("Next cases", PAGE_CASES));
  }

  function count() {
    const rated = cases.filter((one) => ratingOf(one).rating).length;
    part("count").textContent = `${shown.length} of ${cases.length} shown, ${rated} rated`;
  }

  show.addEventListener("change", () => fill());
  search.addEventListener("input", () => fill());

  // -- one case -------------------------------------------------------------------------------------
  function element(tag, text, className) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function card(one) {
    const made = element("figure", undefined, "qc-case");
    made.dataset.place = one.place;
    made.tabIndex = 0;
    const head = element("figcaption"), name = element("h3", one.id);
    const word = one.status === "failed" ? "failed" : one.note ? "look" : "";
    if (word) name.prepend(element("span", word, "rank"), " ");
    head.append(name);
    made.append(head);
    if (one.picture) {
      const picture = element("img");
      picture.loading = "lazy";
      picture.decoding = "async";
      picture.alt = `Slices of ${one.id} with the outlines of its label map`;
      picture.src = one.picture;
      made.append(picture);
    } else if (one.status !== "failed") {
      made.append(element("p", "No picture.", "note"));
    }
    if (one.note) {
      const flags = element("ul", undefined, "flags");
      const each = one.status === "failed" ? [one.note] : one.note.split("; ");
      for (const flag of each) flags.append(element("li", flag));
      made.append(flags);
    }
    made.append(element("div", undefined, "qc-sizes"), ratingRow(one));
    dress(one, made);
    return made;
  }

  function ratingRow(one) {
    const row = element("div", undefined, "qc-rating");
    for (const [rating, name] of Object.entries(RATINGS)) {
      const button = element("button", `${rating} ${name}`, "quiet");
      button.type = "button";
      button.dataset.rating = rating;
      button.addEventListener("click", () => {
        const again = ratingOf(one).rating === rating;
        change(one, { rating: again ? "" : rating });
      });
      row.append(button);
    }
    const note = element("input");
    note.placeholder = "Note";
    note.setAttribute("aria-label", `Note on ${one.id}`);
    note.addEventListener("change", () => change(one, { note: flat(note.value) }));
    row.append(note);
    return row;
  }

  const cardOf = (one) => grid.querySelector(`[data-place="${one.place}"]`);

  /* Show rating, note and size of a card as they are now. */
  function dress(one, made = cardOf(one)) {
    if (!made) return;
    const { rating, note } = ratingOf(one);
    const isCurrent = one === current;
    made.dataset.rated = rating;
    made.classList.toggle("current", isCurrent);
    made.classList.toggle("large", isCurrent && isLarge);
    for (const button of made.querySelectorAll("[data-rating]")) {
      button.setAttribute("aria-pressed", String(button.dataset.rating === rating));
    }
    const input = made.querySelector("input");
    if (document.activeElement !== input) input.value = note;
    sizes(one, made.querySelector(".qc-sizes"), isCurrent && isLarge);
  }

  function sizes(one, place, isAll) {
    const order = one.values.map((_, column) => column);
    order.sort((a, b) => one.out[b] - one.out[a] || a - b);
    const chosen = isAll ? one.values.map((_, column) => column) : order.slice(0, FEW_VALUES);
    const lines = chosen.filter((column) => one.values[column] !== null).map((column) => size(one, column));
    place.replaceChildren(...lines);
    const more = order.length - chosen.length;
    if (more > 0 && lines.length) place.append(element("p", `and ${more} more: Enter, or ${page.table}`, "small"));
  }

  function size(one, column) {
    const [name, unit, low, high] = page.columns[column];
    const value = one.values[column], line = element("div", undefined, "qc-size");
    const text = Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
    line.append(element("span", name, "name"));
    if (low !== null && high !== null && high > low) {
      const bar = element("span", undefined, "qc-range"), mark = element("i");
      // the usual range is the middle half; what lies further out stands at the end
      const share = 0.25 + (0.5 * (value - low)) / (high - low);
      mark.style.left = `${100 * Math.min(1, Math.max(0, share))}%`;
      bar.append(mark);
      bar.title = `usual: ${Number(low.toPrecision(3))} to ${Number(high.toPrecision(3))} ${unit}`;
      line.append(bar);
    } else {
      line.append(element("span"));
    }
    line.append(element("span", `${text.replace("-", "\u2212")} ${unit}`.trim(), "value"));
    line.classList.toggle("out", one.out[column]);
    return line;
  }

  // -- the current case -----------------------------------------------------------------------------
  function choose(one, { focus = true } = {}) {
    const before = current;
    current = one;
    if (before && before !== one) dress(before);
    const place = shown.indexOf(one);
    if (place >= 0 && (place < first || place >= first + PAGE_CASES)) {
      turnTo(Math.floor(place / PAGE_CASES) * PAGE_CASES);
    }
    dress(one);
    if (!focus) return;
    const made = cardOf(one);
    made?.focus({ preventScroll: true });
    made?.scrollIntoView({ block: "nearest" });
  }

  function step(by) {
    if (!shown.length) return;
    const place = shown.indexOf(current);
    const next = place < 0 ? first : Math.min(Math.max(place + by, 0), shown.length - 1);
    choose(shown[next]);
  }

  grid.addEventListener("focusin", (event) => {
    const made = event.target.closest(".qc-case");
    if (made) choose(cases[Number(made.dataset.place)], { focus: false });
  });
  grid.addEventListener("click", (event) => {
    if (event.target.closest("img") && current) enlarge();
  });

  function enlarge() {
    isLarge = !isLarge;
    dress(current);
    cardOf(current)?.scrollIntoView({ block: "nearest" });
  }

  const KEYS = {
    ArrowRight: () => step(1),
    ArrowLeft: () => step(-1),
    Enter: () => current && enlarge(),
    n: () => current && cardOf(current)?.querySelector("input").focus(),
    0: () => current && change(current, { rating: "" }),
  };
  for (const rating of Object.keys(RATINGS)) {
    KEYS[rating] = () => {
      if (!current) return;
      change(current, { rating });
      step(1);
    };
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input, select, textarea");
    if (typing) {
      if (["Enter", "Escape"].includes(event.key) && typing.closest(".qc-case")) {
        typing.blur();
        if (current) choose(current);
      }
      return;
    }
    if (event.key === "Enter" && event.target.closest("button, a, summary, label")) return;
    const act = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : null;
    if (!act) return;
    event.preventDefault();
    act();
  });

  window.neurotargetReport.viewer = {
    has: (id) => byId.has(id),
    open: (id) => {
      if (!byId.has(id)) return false;
      choose(byId.get(id));
      return true;
    },
  };
  recall();
  fill();
})();
