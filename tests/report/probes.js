// What the browser tests ask of an open page; each answer is a list of offenders, empty when all is well.
({
  texts() {
    return [...document.querySelectorAll(".chart")].map((chart) => [
      chart,
      [...chart.querySelectorAll("svg text")]
        .filter((t) => t.textContent.trim() && !t.closest(".hoverlayer"))
        .map((t) => [t.textContent, t.getBoundingClientRect()])
        .filter(([, box]) => box.width && box.height),
    ]);
  },

  // Pairs of texts of one chart whose boxes meet by more than a pixel; the hover layer lies on top on purpose.
  overlaps() {
    const found = [];
    for (const [chart, texts] of this.texts()) {
      texts.forEach(([one, a], i) => {
        for (const [two, b] of texts.slice(i + 1)) {
          const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
          const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
          if (wide > 1 && high > 1) found.push(`${chart.dataset.chart}: ${one} | ${two}`);
        }
      });
    }
    return found;
  },

  // Texts that reach beyond their chart, where they are cut off.
  clipped() {
    return this.texts().flatMap(([chart, texts]) => {
      const box = chart.getBoundingClientRect();
      const out = (b) => b.left < box.left - 1 || b.right > box.right + 1 || b.top < box.top - 1 || b.bottom > box.bottom + 1;
      return texts.filter(([, b]) => out(b)).map(([text]) => `${chart.dataset.chart}: ${text}`);
    });
  },

  // Texts of the page that are wider than their box and run into what stands beside it.
  spilled() {
    return [...document.querySelectorAll("dt, dd, p, li, h1, h2, h3, figcaption, th, td, .banner")]
      .filter((e) => !e.closest(".hidden") && e.clientWidth && e.scrollWidth > e.clientWidth + 1)
      .map((e) => e.textContent.trim().slice(0, 40));
  },

  // Words of the settings' keys, between dots, hyphens and spaces, that are broken over two lines.
  broken() {
    const found = [];
    for (const key of document.querySelectorAll("footer dt")) {
      const walker = document.createTreeWalker(key, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        for (const word of walker.currentNode.data.matchAll(/[^.\s-]+/g)) {
          const range = document.createRange();
          range.setStart(walker.currentNode, word.index);
          range.setEnd(walker.currentNode, word.index + word[0].length);
          if (new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1) found.push(word[0]);
        }
      }
    }
    return found;
  },

  // Charts without a line, an area or a bar that has an extent.
  blank() {
    // A flat line has no height and is drawn; a bar without height is not.
    const extent = (p) => {
      const box = p.getBoundingClientRect();
      return box.width > 0 && (box.height > 0 || p.classList.contains("js-line"));
    };
    return [...document.querySelectorAll(".chart")]
      .filter((chart) => ![...chart.querySelectorAll(".scatterlayer path.js-line, .barlayer path")].some(extent))
      .map((chart) => chart.dataset.chart);
  },

  // Texts with less than 4.5 contrast to what lies behind them (WCAG 2.1, success criterion 1.4.3).
  pale() {
    const parse = (color) => {
      const parts = color.match(/[\d.]+/g).map(Number);
      return parts.length < 4 ? [...parts, 1] : parts;
    };
    const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
    const behind = (e) => {
      if (!e) return [255, 255, 255];
      const own = parse(getComputedStyle(e).backgroundColor);
      return own[3] === 1 ? own : over(own, behind(e.parentElement));
    };
    const linear = (v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const ratio = (a, b) => {
      const [low, high] = [light(a), light(b)].sort((p, q) => p - q);
      return (high + 0.05) / (low + 0.05);
    };
    const found = [];
    for (const e of document.querySelectorAll("body *")) {
      const chart = e.closest("svg") && e.closest(".chart");
      if (chart && (e.tagName !== "text" || e.closest(".hoverlayer"))) continue;
      if (!chart && ![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
      if (["SCRIPT", "STYLE", "NOSCRIPT"].includes(e.tagName) || !e.getBoundingClientRect().width) continue;
      const ground = behind(chart || e);
      const style = getComputedStyle(e);
      const contrast = ratio(over(parse(chart ? style.fill : style.color), ground), ground);
      if (contrast < 4.5) found.push(`${e.textContent.trim().slice(0, 30)}: ${contrast.toFixed(2)}`);
    }
    return found;
  },

  // Tables, charts and sections without a name for those who do not see them, and names that stand twice.
  unnamed() {
    const ids = [...document.querySelectorAll("main [id]")].map((e) => e.id);
    return [
      ...[...document.querySelectorAll("table")].filter((t) => !t.caption || !t.caption.textContent.trim()),
      ...[...document.querySelectorAll(".chart")].filter((c) => !c.getAttribute("aria-label")),
      ...[...document.querySelectorAll("section")].filter((s) => !document.getElementById(s.getAttribute("aria-labelledby"))),
    ].map((e) => e.outerHTML.slice(0, 60)).concat(ids.filter((id, i) => ids.indexOf(id) !== i));
  },

  // The span of dates that each chart over time shows.
  spans() {
    return ["growth", "rolling", "exposure"].map((n) => document.querySelector(`[data-chart=${n}]`).layout.xaxis.range.join());
  },

  // So many frames later: what the page does on a change of size it does in the next one.
  async frames(count) {
    for (let i = 0; i < count; i++) await new Promise(requestAnimationFrame);
  },

  // So many milliseconds later by the page's clock.
  async later(milliseconds) {
    const start = performance.now();
    while (performance.now() - start < milliseconds) await this.frames(1);
  },
})
