/* Draws the charts of the page from the numbers in #charts. State (zoom, log axis, hidden lines) stands here; colors stand in the CSS. */
"use strict";
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const places = [...document.querySelectorAll(".chart[data-chart]")];
  const touch = matchMedia("(pointer: coarse)").matches;
  const printing = matchMedia("print");
  const zoom = { range: null };
  const hidden = new Set();
  const logs = new Set();

  const FORMATS = {
    currency: { hover: ",.0f", tick: money },
    fraction: { hover: ".2%", tick: (v) => number(100 * v) + "%" },
    ratio: { hover: ".2f", tick: number },
  };
  const format = (unit) => FORMATS[unit.startsWith("fraction") ? "fraction" : unit] || FORMATS.ratio;

  function number(v) {
    return String(Number(v.toPrecision(6))).replace("-", "\u2212");
  }

  function money(v) {
    for (const [size, letter] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]]) {
      if (Math.abs(v) >= size) return number(v / size) + letter;
    }
    return number(v);
  }

  // Axes ----------------------------------------------------------------------------------------------------------------

  function linearTicks(low, high, count) {
    const raw = (high - low) / Math.max(count, 2);
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
    const out = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) out.push(Number((k * step).toPrecision(12)));
    return out;
  }

  function logTicks(low, high, count) {
    let best = null;
    for (const digits of [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7]]) {
      const out = [];
      for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p++) {
        for (const d of digits) {
          const v = Number((d * 10 ** p).toPrecision(12));
          if (v >= low * 0.9999 && v <= high * 1.0001) out.push(v);
        }
      }
      if (best === null || out.length <= count + 1) best = out;
    }
    return best.length >= 3 ? best : linearTicks(low, high, count);
  }

  function extent(chart, panel, key) {
    let low = Infinity, high = -Infinity;
    panel.lines.forEach((line, i) => {
      if (hidden.has(key + "/" + line.of)) return;
      line.y.forEach((v, row) => {
        if (v === null) return;
        const x = panel.x[row];
        if (zoom.range && chart.time && (x < zoom.range[0] || x > zoom.range[1])) return;
        if (v < low) low = v;
        if (v > high) high = v;
      });
    });
    if (panel.zero) { low = Math.min(low, 0); high = Math.max(high, 0); }
    if (!(low <= high)) return [0, 1];
    if (low === high) { const pad = Math.abs(low) * 0.01 || 1; return [low - pad, high + pad]; }
    return [low, high];
  }

  function yAxis(chart, panel, key, domain, pixels, theme) {
    const log = panel.log && logs.has(key);
    let [low, high] = extent(chart, panel, key);
    const count = Math.max(2, Math.round(pixels / 42));
    if (log && low <= 0) low = high / 1000;
    const pad = 0.04;
    let range;
    if (log) {
      const [a, b] = [Math.log10(low), Math.log10(high)];
      range = [a - pad * (b - a), b + pad * (b - a)];
    } else {
      const gap = pad * (high - low);
      range = [panel.zero && low === 0 ? 0 : low - gap, panel.zero && high === 0 ? gap / 2 : high + gap];
    }
    const ticks = log ? logTicks(low, high, count) : linearTicks(range[0], range[1], count);
    return {
      domain, range, fixedrange: true, type: log ? "log" : "linear",
      tickvals: ticks, ticktext: ticks.map(format(panel.unit).tick),
      gridcolor: theme.line, gridwidth: 1, zeroline: !log, zerolinecolor: theme.strong, zerolinewidth: 1,
      tickfont: { color: theme.muted }, anchor: "x", ticks: "",
    };
  }

  const DAY = 86400000;

  function dateTicks(range, daily, count) {
    const days = (Date.parse(range[1].replace(" ", "T")) - Date.parse(range[0].replace(" ", "T"))) / DAY;
    // Bars of whole days get no ticks at hours.
    const axis = daily && days <= 3 * count ? { tick0: range[0].slice(0, 10), dtick: DAY * Math.max(1, Math.ceil(days / count)), tickformat: "%b %-d\n%Y" } : { nticks: count };
    return { axis, close: days < 366 * count };
  }

  const theme = () => {
    const css = getComputedStyle(document.documentElement);
    const get = (name) => css.getPropertyValue(name).trim();
    return {
      ground: get("--ground"), raised: get("--raised"), line: get("--line"), strong: get("--strong-line"), text: get("--text"),
      muted: get("--muted"), shade: get("--shade"), series: [1, 2, 3, 4].map((i) => get("--series-" + i)),
      font: getComputedStyle(document.body).fontFamily,
    };
  };

  const clear = (color, alpha) => {
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));
    return `rgba(${r}, ${g}, ${b}, ${alpha})`;
  };

  function frame(t) {
    return {
      autosize: true, margin: { l: 50, r: 18, t: 28, b: 28, pad: 4 }, paper_bgcolor: t.ground, plot_bgcolor: t.ground,
      font: { family: t.font, size: 12, color: t.text }, showlegend: false, hovermode: "x unified", dragmode: touch ? false : "zoom",
      hoverlabel: { bgcolor: t.raised, bordercolor: t.strong, font: { color: t.text, size: 12, family: t.font } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: t.muted, activecolor: t.text },
      shapes: [], annotations: [],
    };
  }

  // One kind of chart each ----------------------------------------------------------------------------------------------

  function lines(place, chart, key, t) {
    const layout = frame(t);
    const gap = chart.panels.length > 1 ? 42 / place.clientHeight : 0;
    const total = chart.panels.reduce((sum, panel) => sum + panel.share, 0);
        // Plotly writes into the range that it is given, so it gets a copy below.
    const span = zoom.range || chart.range;
    const ticks = dateTicks(span, chart.daily, Math.max(3, Math.floor(place.clientWidth / 72)));
    // Ticks closer than a year carry the year on a second line.
    if (ticks.close) Object.assign(layout.margin, { b: 42, r: 26 });
    const inner = place.clientHeight - layout.margin.t - layout.margin.b;
    const traces = [];
    let top = 1;
    chart.panels.forEach((panel, i) => {
      const suffix = i ? String(i + 1) : "";
      const size = (panel.share / total) * (1 - gap * (chart.panels.length - 1));
      const domain = [Math.max(0, top - size), top];
      top -= size + gap;
      layout["yaxis" + suffix] = yAxis(chart, panel, key, domain, size * inner, t);
      layout.annotations.push({
        text: panel.title, xref: "paper", x: 0, xanchor: "left", yref: "paper", y: domain[1], yanchor: "bottom",
        showarrow: false, font: { size: 12, color: t.muted }, yshift: 8, xshift: -layout.margin.l,
      });
      panel.lines.forEach((line) => {
        const color = t.series[line.color - 1];
        traces.push({
          type: "scatter", mode: panel.x.length > 1 ? "lines" : "markers", name: line.name, x: panel.x, y: line.y, yaxis: "y" + suffix,
          line: { color, width: line.width, dash: line.dash || "solid" }, connectgaps: false,
          fill: line.fill ? "tozeroy" : "none", fillcolor: clear(color, 0.16),
          visible: !hidden.has(key + "/" + line.of), hovertemplate: "%{y:" + format(panel.unit).hover + "}",
        });
      });
    });
    layout.xaxis = {
      type: "date", gridcolor: t.line, showgrid: false, tickfont: { color: t.muted }, linecolor: t.strong,
      anchor: "y" + (chart.panels.length > 1 ? chart.panels.length : ""), ticks: "outside", ticklen: 4, tickcolor: t.strong, zeroline: false,
      ...ticks.axis, tickangle: 0, showspikes: true, spikemode: "across", spikethickness: 1,
      spikedash: "solid", spikecolor: t.strong, range: [...span], hoverformat: chart.daily ? "%Y-%m-%d" : "%Y-%m-%d %H:%M",
    };
    layout.hoversubplots = "axis";
    (chart.shades || []).forEach((shade) => {
      layout.shapes.push({
        type: "rect", xref: "x", yref: "paper", x0: shade.from, x1: shade.to, y0: 0, y1: 1, fillcolor: t.shade, line: { width: 0 }, layer: "below",
      });
    });
    return [traces, layout];
  }

  function bars(place, chart, key, t) {
    const layout = frame(t);
    const traces = chart.bars.map((bar) => ({
      // A single year is no wall.
      type: "bar", name: bar.name, x: chart.x, y: bar.y, width: Math.min(0.75, 0.1 * chart.x.length + 0.05), marker: { color: t.series[bar.color - 1], line: { width: 0 } },
      visible: !hidden.has(key + "/" + bar.name), hovertemplate: "%{y:" + format(chart.unit).hover + "}",
    }));
    const sums = chart.x.map((_, i) => chart.bars.reduce((s, bar) => s + (hidden.has(key + "/" + bar.name) ? 0 : bar.y[i] || 0), 0));
    const high = Math.max(...sums, 0) || 0.01;
    const ticks = linearTicks(0, high * 1.04, Math.round((place.clientHeight - 56) / 48));
    layout.barmode = "relative";
    layout.bargap = 0.25;
    layout.xaxis = {
      type: "category", tickfont: { color: t.muted }, linecolor: t.strong, tickangle: 0, fixedrange: true,
      tickmode: "array", tickvals: spaced(chart.x, Math.max(2, Math.floor(place.clientWidth / 56))),
    };
    layout.yaxis = {
      range: [0, high * 1.04], fixedrange: true, tickvals: ticks, ticktext: ticks.map(format(chart.unit).tick), gridcolor: t.line,
      zeroline: true, zerolinecolor: t.strong, tickfont: { color: t.muted },
    };
    layout.annotations.push(title(chart.axis, t));
    return [traces, layout];
  }

  function histogram(place, chart, key, t) {
    const layout = frame(t);
    const middle = chart.counts.map((_, i) => (chart.edges[i] + chart.edges[i + 1]) / 2);
    const width = chart.edges[1] - chart.edges[0];
    const show = format(chart.unit).tick;
    const hover = d3(chart.unit);
    const traces = [{
      type: "bar", x: middle, y: chart.counts, width: middle.map(() => width * 0.94), marker: { color: clear(t.series[0], 0.55), line: { width: 0 } },
      customdata: chart.counts.map((_, i) => [hover(chart.edges[i]), hover(chart.edges[i + 1])]),
      hovertemplate: "%{customdata[0]} to %{customdata[1]}<br>%{y:,} draws<extra></extra>",
    }];
    const ends = [chart.edges[0], chart.edges[chart.edges.length - 1]];
    const ticks = linearTicks(ends[0], ends[1], Math.max(2, Math.floor(place.clientWidth / 90)));
    const high = Math.max(...chart.counts);
    const counts = linearTicks(0, high, 4);
    layout.hovermode = "closest";
    layout.margin.t = 44;
    layout.xaxis = { range: [ends[0] - width / 2, ends[1] + width / 2], tickvals: ticks, ticktext: ticks.map(show), tickfont: { color: t.muted }, linecolor: t.strong, zeroline: false, showgrid: false, fixedrange: true, tickangle: 0 };
    layout.yaxis = { range: [0, high * 1.04], tickvals: counts, ticktext: counts.map(number), gridcolor: t.line, tickfont: { color: t.muted }, fixedrange: true, zeroline: true, zerolinecolor: t.strong };
    chart.marks.forEach((mark) => {
      layout.shapes.push({ type: "line", xref: "x", yref: "paper", x0: mark.value, x1: mark.value, y0: 0, y1: 1, line: { color: t.text, width: 1, dash: mark.dash } });
      if (mark.name === "estimate") return;
      // Outward, so that two labels never meet; inward where there is no room.
      const at = (mark.value - ends[0]) / (ends[1] - ends[0]) * place.clientWidth;
      const outward = mark.name === "low" ? (at > 110 ? "right" : "left") : (at < place.clientWidth - 110 ? "left" : "right");
      layout.annotations.push({ text: hover(mark.value), xref: "x", x: mark.value, xanchor: outward, yref: "paper", y: 1, yanchor: "bottom", showarrow: false, font: { size: 12, color: t.text } });
    });
    layout.annotations.push({ ...title(chart.axis, t), yshift: 22 });
    return [traces, layout];
  }

  const title = (text, t) => ({
    text, xref: "paper", x: 0, xanchor: "left", yref: "paper", y: 1, yanchor: "bottom", showarrow: false, font: { size: 12, color: t.muted }, yshift: 8, xshift: -50,
  });

  const d3 = (unit) => (v) => (unit.startsWith("fraction") ? (100 * v).toFixed(2) + "%" : v.toFixed(2)).replace("-", "\u2212");

  function spaced(values, count) {
    const step = Math.ceil(values.length / count);
    return values.filter((_, i) => (values.length - 1 - i) % step === 0);
  }

  // Drawing and events --------------------------------------------------------------------------------------------------

  const KINDS = { lines, bars, histogram };

  function draw(place) {
    const key = place.dataset.chart, chart = charts[key];
    const [traces, layout] = KINDS[chart.kind](place, chart, key, theme());
    const config = {
      displaylogo: false, responsive: false, doubleClick: false, doubleClickDelay: 500, showTips: false, displayModeBar: touch ? false : "hover",
      modeBarButtons: [[
        { name: "Save as PNG", icon: Plotly.Icons.camera, click: (gd) => Plotly.downloadImage(gd, { format: "png", scale: 2, filename: key }) },
        ...(chart.time ? [{ name: "Reset zoom", icon: Plotly.Icons.home, click: () => setZoom(null) }] : []),
      ]],
    };
    return Plotly.react(place, traces, layout, config);
  }

  const drawAll = () => places.forEach(draw);

  function setZoom(range) {
    zoom.range = range;
    places.filter((place) => charts[place.dataset.chart].time).forEach(draw);
  }

  function listen(place) {
    if (!charts[place.dataset.chart].time) return;
    place.on("plotly_relayout", (event) => {
      const range = event["xaxis.range"] || [event["xaxis.range[0]"], event["xaxis.range[1]"]];
      if (range[0] !== undefined && range[1] !== undefined) setZoom(range.map(String));
    });
    place.on("plotly_doubleclick", () => setZoom(null));
  }

  document.querySelectorAll("[data-log]").forEach((group) => {
    const key = group.dataset.log;
    if (group.querySelector('[data-scale="log"][aria-pressed="true"]')) logs.add(key);
    group.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      group.querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      button.dataset.scale === "log" ? logs.add(key) : logs.delete(key);
      places.filter((place) => place.dataset.chart === key).forEach(draw);
    });
  });

  document.querySelectorAll("[data-legend]").forEach((group) => {
    const key = group.dataset.legend;
    group.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      const name = key + "/" + button.dataset.line;
      hidden.has(name) ? hidden.delete(name) : hidden.add(name);
      button.setAttribute("aria-pressed", String(!hidden.has(name)));
      places.filter((place) => place.dataset.chart === key).forEach(draw);
    });
  });

  Promise.all(places.map(draw)).then(() => {
    places.forEach(listen);
    document.documentElement.dataset.drawn = String(places.length);
  });

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  printing.addEventListener("change", drawAll);
  addEventListener("beforeprint", drawAll);
  addEventListener("afterprint", drawAll);
  let waiting = 0;
  new ResizeObserver(() => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(drawAll);
  }).observe(document.querySelector(".page"));
})();
