/* The page without its viewer: theme, tables that are built when they are opened, links to cases.
   Whatever comes from the study is set as text, never as markup. */
(function () {
  "use strict";

  const MINUS = "\u2212", DASH = "\u2013", THIN = "\u202f";
  const PAGE_ROWS = 500;
  const LONG = 28; // letters, from which on a cell breaks into lines
  const report = (window.neurotargetReport = {
    page: JSON.parse(document.getElementById("page-data").textContent),
    viewer: { has: () => false, open: () => false },
    forgetHash,
  });

  // -- theme -----------------------------------------------------------------------------------
  const root = document.documentElement;
  const themeButton = document.getElementById("theme");
  const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");

  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches;
  }

  function showTheme() {
    themeButton.setAttribute("aria-pressed", String(isDark()));
  }

  themeButton.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  prefersDark.addEventListener("change", showTheme);
  showTheme();

  // -- numbers -----------------------------------------------------------------------------------
  const isKnown = (value) => typeof value === "number";

  function digitsFor(values) {
    const largest = Math.max(0, ...values.filter(isKnown).map(Math.abs));
    if (largest > 0 && largest < 0.01) return 1 - Math.floor(Math.log10(largest));
    return largest === 0 || largest >= 100 ? 0 : largest >= 10 ? 1 : largest >= 1 ? 2 : 3;
  }

  function number(value, digits) {
    if (!isKnown(value)) return DASH;
    let text = Math.abs(value).toFixed(digits);
    const isZero = Number(text) === 0;
    if (isZero && value !== 0) text = Math.abs(value).toPrecision(1);
    const [whole, decimals] = text.split(".");
    const spaced = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, THIN) : whole;
    return (value < 0 ? MINUS : "") + spaced + (decimals ? `.${decimals}` : "");
  }

  function readable(column, value, low, high) {
    if (!isKnown(value)) return DASH;
    if (column.kind === "count") return number(value, 0);
    if (column.kind === "setting") return String(Number(value.toPrecision(4))).replaceAll("-", MINUS);
    if (column.kind === "p") return value < 0.001 ? "< 0.001" : value.toFixed(3);
    const scale = (column.kind === "share" ? 100 : 1) / column.scale;
    const all = [value, low, high].map((one) => (isKnown(one) ? scale * one : one));
    const digits = column.isWhole && column.scale === 1 ? 0 : column.kind === "share" ? 1 : digitsFor(all);
    let text = number(all[0], digits);
    if (isKnown(low) && isKnown(high)) {
      text += ` [${number(all[1], digits)}, ${number(all[2], digits)}]`;
    }
    return column.kind === "share" ? `${text}${THIN}%` : text;
  }

  // -- tables ------------------------------------------------------------------------------------
  function element(tag, text, className) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  class Table {
    constructor(details) {
      this.details = details;
      this.isBuilt = false;
      details.addEventListener("toggle", () => details.open && this.build());
    }

    build() {
      if (this.isBuilt) return;
      this.isBuilt = true;
      const place = this.details.dataset.table;
      Object.assign(this, JSON.parse(document.getElementById(`table-${place}`).textContent));
      this.chosen = { ...this.preset };
      this.sorted = { key: null, up: true };
      this.page = 0;
      this.order = Array.from({ length: this.n_rows }, (_, row) => row);
      this.text = "";
      this.marked = null;
      for (const column of this.columns) column.isWhole = this.isWhole(column);
      this.makeTools();
      this.makeHead();
      this.fill();
    }

    value(key, row) {
      const column = this.data[key];
      return Array.isArray(column) ? column[row] : column.levels[column.codes[row]];
    }

    isWhole({ key, low }) {
      const values = this.data[key];
      return !low && Array.isArray(values) && values.every((one) => one === null || one % 1 === 0);
    }

    makeTools() {
      const tools = this.details.querySelector(".tools");
      for (const key of this.filters) {
        const select = element("select");
        const column = this.columns.find((one) => one.key === key);
        const heading = column ? column.heading : key;
        select.append(new Option(`${heading}: all`, ""));
        for (const level of this.data[key].levels) {
          select.append(new Option(`${heading}: ${this.displayed(key, level) || DASH}`, `=${level}`));
        }
        if (key in this.chosen) select.value = `=${this.chosen[key]}`;
        select.setAttribute("aria-label", `Show only: ${heading}`);
        select.addEventListener("change", () => {
          if (select.value) this.chosen[key] = select.value.slice(1);
          else delete this.chosen[key];
          this.page = 0;
          this.fill();
        });
        tools.append(select);
      }
      if (this.n_rows > 10) {
        this.search = element("input");
        this.search.type = "search";
        this.search.placeholder = "Find in rows";
        this.search.setAttribute("aria-label", `Find in rows of ${this.title}`);
        this.search.addEventListener("input", () => {
          this.text = this.search.value.trim().toLowerCase();
          this.page = 0;
          this.fill();
        });
        tools.append(this.search);
      }
      this.count = element("span", "", "shown-rows");
      this.count.setAttribute("role", "status");
      const save = element("button", "Download TSV", "quiet");
      save.type = "button";
      save.addEventListener("click", () => this.download());
      tools.append(this.count, save);
    }

    makeHead() {
      this.table = element("table");
      this.table.append(element("caption", this.title, "unseen"));
      const row = element("tr");
      for (const column of this.columns) {
        const head = element("th", undefined, column.kind);
        head.scope = "col";
        const button = element("button", column.heading);
        button.type = "button";
        if (column.low) button.append(element("span", " [95 %]", "interval"));
        button.addEventListener("click", () => this.sort(column.key));
        head.append(button);
        row.append(head);
      }
      const head = element("thead");
      head.append(row);
      this.body = element("tbody");
      this.table.append(head, this.body);
      this.details.querySelector(".scroll").replaceChildren(this.table);
      this.pager = this.details.querySelector(".pager");
    }

    sort(key) {
      const up = this.sorted.key === key ? !this.sorted.up : true;
      this.sorted = { key, up };
      const sign = up ? 1 : -1;
      const known = new Intl.Collator("en", { numeric: true });
      this.order.sort((a, b) => {
        const [x, y] = [this.value(key, a), this.value(key, b)];
        const missing = (one) => one === null || one === "";
        if (missing(x) || missing(y)) return missing(x) - missing(y) || a - b;
        const by = isKnown(x) && isKnown(y) ? x - y : known.compare(String(x), String(y));
        return sign * by || a - b;
      });
      this.columns.forEach((column, place) => {
        const head = this.table.tHead.rows[0].cells[place];
        if (column.key === key) head.setAttribute("aria-sort", up ? "ascending" : "descending");
        else head.removeAttribute("aria-sort");
      });
      this.page = 0;
      this.fill();
    }

    rows() {
      const chosen = Object.entries(this.chosen);
      return this.order.filter((row) => {
        if (chosen.some(([key, level]) => this.value(key, row) !== level)) return false;
        if (!this.text) return true;
        return this.columns.some((column) => this.cell(column, row).toLowerCase().includes(this.text));
      });
    }

    displayed(key, text) {
      if (key === "unit") return text.replaceAll("mm3", "mm³").replaceAll("mm2", "mm²").replaceAll("/", " per ").trim();
      return Object.hasOwn(report.page.values, text) ? report.page.values[text] : text;
    }

    cell(column, row) {
      const value = this.value(column.key, row);
      if (column.kind === "case") return String(value);
      if (column.kind === "text") return this.displayed(column.key, String(value));
      const ends = column.low ? [column.low, column.high].map((key) => this.value(key, row)) : [];
      return readable(column, value, ...ends);
    }

    fill() {
      const rows = this.rows();
      const pages = Math.max(1, Math.ceil(rows.length / PAGE_ROWS));
      this.page = Math.min(this.page, pages - 1);
      const shown = rows.slice(this.page * PAGE_ROWS, (this.page + 1) * PAGE_ROWS);
      this.body.replaceChildren(...shown.map((row) => this.line(row)));
      const all = this.n_rows === 1 ? "1 row" : `${number(this.n_rows, 0)} rows`;
      this.count.textContent =
        rows.length === this.n_rows ? all : `${number(rows.length, 0)} of ${all}`;
      this.turn(pages);
    }

    line(row) {
      const line = element("tr");
      for (const column of this.columns) {
        const text = this.cell(column, row);
        const cell = element("td", undefined, column.kind);
        if (column.kind === "case" && report.page.known.includes(text)) {
          const link = element("a", text);
          link.href = `#case-${encodeURIComponent(text)}`;
          cell.append(link);
        } else {
          cell.textContent = text;
          if (text.length > LONG) cell.classList.add("long");
        }
        if (column.key === "verdict") cell.classList.add("verdict-cell");
        line.append(cell);
      }
      if (this.marked !== null && this.data.case_id && this.value("case_id", row) === this.marked) {
        line.className = "marked";
      }
      return line;
    }

    turn(pages) {
      this.pager.replaceChildren();
      if (pages < 2) return;
      const go = (text, step) => {
        const button = element("button", text, "quiet");
        button.type = "button";
        button.disabled = this.page + step < 0 || this.page + step >= pages;
        button.addEventListener("click", () => { this.page += step; this.fill(); });
        return button;
      };
      const where = element("span", `Page ${this.page + 1} of ${pages}`);
      this.pager.append(go("Previous rows", -1), where, go("Next rows", 1));
    }

    tsv() {
      const keys = Object.keys(this.data);
      const quoted = (value) => {
        const text = value === null ? "n/a" : String(value);
        return /[\t\n\r"]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
      };
      const lines = [keys.map(quoted).join("\t")];
      for (let row = 0; row < this.n_rows; row++) {
        lines.push(keys.map((key) => quoted(this.value(key, row))).join("\t"));
      }
      return `${lines.join("\n")}\n`;
    }

    download() {
      const link = element("a");
      const safe = (text) => text.replace(/[^\w.-]+/g, "_");
      link.download = `${safe(report.page.target)}_${safe(this.name)}.tsv`;
      link.href = URL.createObjectURL(
        new Blob([this.tsv()], { type: "text/tab-separated-values" }),
      );
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    }

    /* Open the table at a case; false where it does not hold it. */
    reveal(id) {
      this.build();
      if (!this.data.case_id || !this.data.case_id.levels.includes(id)) return false;
      this.chosen = {};
      for (const select of this.details.querySelectorAll("select")) select.value = "";
      this.text = "";
      if (this.search) this.search.value = "";
      this.marked = id;
      const place = this.rows().findIndex((row) => this.value("case_id", row) === id);
      this.page = Math.floor(place / PAGE_ROWS);
      this.details.open = true;
      this.fill();
      this.body.querySelector(".marked").scrollIntoView({ block: "center" });
      return true;
    }
  }

  const tables = [...document.querySelectorAll("details[data-table]")].map((one) => new Table(one));
  for (const table of tables) if (table.details.open) table.build();

  document.getElementById("open-tables")?.addEventListener("click", (event) => {
    const open = event.target.getAttribute("aria-pressed") !== "true";
    event.target.setAttribute("aria-pressed", String(open));
    event.target.textContent = open ? "Close all tables" : "Open all tables";
    for (const table of tables) table.details.open = open;
  });

  // -- print -------------------------------------------------------------------------------------
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details[data-print]:not([open])")];
    for (const details of opened) details.open = true;
    for (const table of tables) if (table.details.open) table.build();
  });
  window.addEventListener("afterprint", () => {
    for (const details of opened) details.open = false;
  });

  // -- links to cases ------------------------------------------------------------------------------
  function forgetHash() {
    if (!location.hash.startsWith("#case-")) return;
    try {
      history.replaceState(null, "", location.href.split("#")[0]);
    } catch {
      location.hash = "";
    }
  }

  function caseOf(link) {
    if (!link.startsWith("#case-")) return null;
    try {
      return decodeURIComponent(link.slice(6));
    } catch {
      return null;
    }
  }

  /* Open a case in the viewer, or else show its picture, or else its row in a table. */
  function visit(id) {
    if (report.viewer.open(id)) return;
    const card = [...document.querySelectorAll("[data-case]")].find((one) => one.dataset.case === id);
    if (card) {
      card.closest("details")?.setAttribute("open", "");
      card.scrollIntoView({ block: "center" });
      flash(card);
      return;
    }
    const first = ["failed_cases", "cases"];
    const rank = (table) => first.indexOf(table.details.dataset.name) >>> 0; // others, −1, last
    for (const table of [...tables].sort((a, b) => rank(a) - rank(b))) {
      if (table.reveal(id)) return;
    }
  }

  function flash(card) {
    card.classList.remove("flash");
    void card.offsetWidth; // begins the animation anew
    card.classList.add("flash");
    card.setAttribute("tabindex", "-1");
    card.focus({ preventScroll: true });
  }

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) {
      visit(opener.dataset.opens);
      return;
    }
    const link = event.target.closest("a");
    if (!link) return;
    const href = link.getAttribute("href") ?? link.getAttribute("xlink:href") ?? "";
    const id = caseOf(href);
    if (id === null) return;
    event.preventDefault();
    visit(id);
  });
  const visitHash = () => {
    const id = caseOf(location.hash);
    if (id !== null) visit(id);
  };
  window.addEventListener("hashchange", visitHash);
  report.ready = visitHash;
})();
