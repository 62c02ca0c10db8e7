// Draws the charts, sorts the table, follows the chosen layer and operating point.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const frontier = data.frontier;
const views = {};

function text(id, value) {
  document.getElementById(id).textContent = value;
}

function percent(share, digits = 1) {
  return `${(100 * share).toFixed(digits)} %`;
}

function element(tag, className, content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (content !== undefined) made.textContent = content;
  return made;
}

function quoted(file) {
  return /^[\w./-]+$/.test(file) ? file : `'${file.replaceAll("'", "'\\''")}'`;
}

// The operating points.

function showPoint(index) {
  const point = frontier.points[index];
  text("point-epsilon", Number(point.epsilon.toPrecision(3)));
  text("point-error", Number(point.error.toPrecision(3)));
  text("point-saved", percent(point.mac_saved));
  const epsilon = Math.ceil(point.error * 1e6) / 1e6;
  text("point-command", `zaponnx retune ${quoted(data.file)} --epsilon ${epsilon} -o retuned.zap.onnx`);
  const rows = frontier.layers.map((layer, i) => ({
    layer: data.labels[i],
    saved: point.layer_saved[i],
    error: point.layer_error[i],
    now: frontier.chosen.layer_saved[i],
  }));
  views.effects.data("effects", rows).runAsync();
  views.frontier.signal("point", index).runAsync();
}

function startPoints() {
  const range = document.getElementById("point");
  const distance = (point) => Math.abs(point.mac_saved - frontier.chosen.mac_saved);
  const nearest = frontier.points.reduce((best, point, i) => (distance(point) < distance(frontier.points[best]) ? i : best), 0);
  range.value = nearest;
  range.addEventListener("input", () => showPoint(Number(range.value)));
  views.frontier.addEventListener("click", (event, item) => {
    if (item && item.datum && Number.isInteger(item.datum.index)) {
      range.value = item.datum.index;
      showPoint(item.datum.index);
    }
  });
  showPoint(nearest);
}

// One layer.

function tile(below, above, title, said) {
  const figure = element("figure");
  const box = element("div", "tile");
  const size = data.pictures.aspect;
  box.style.aspectRatio = size;
  for (const [source, className] of [[below, above ? "under" : ""], [above, "over"]]) {
    if (!source) continue;
    const image = element("img", className);
    image.src = source;
    image.alt = title;
    image.title = title;
    box.append(image);
  }
  const caption = element("figcaption", "", title);
  if (said) caption.append(element("b", "", said));
  figure.append(box, caption);
  return figure;
}

function showSamples(name) {
  const place = document.getElementById("samples");
  place.replaceChildren();
  for (const sample of data.pictures.samples) {
    const layer = sample.layers.find((each) => each.name === name);
    const box = element("div", "sample");
    if (!layer) {
      box.append(element("p", "", `Sample ${sample.number}: this layer skips nothing.`));
      place.append(box);
      continue;
    }
    const tiles = element("div", "tiles");
    if (sample.image) tiles.append(tile(sample.image, "", "input"));
    tiles.append(
      tile(sample.image, layer.computed, "computed", percent(1 - layer.skipped_share)),
      tile(sample.image, layer.skipped, "skipped", percent(layer.skipped_share)),
      tile(sample.image, layer.wrong, "wrongly skipped", percent(layer.wrong_share, 2)),
    );
    const said = `Sample ${sample.number}, ${layer.outputs.toLocaleString("en")} outputs: `
      + `${percent(layer.skipped_share ? layer.wrong_share / layer.skipped_share : 0)} of what is skipped is skipped wrongly, `
      + `which loses ${percent(layer.lost, 2)} of the layer's sum; `
      + `at one place at most ${percent(layer.largest)} of the channels.`;
    box.append(tiles, element("p", "", said));
    place.append(box);
  }
}

function showLayer(index) {
  for (const choice of document.querySelectorAll(".layer-choice")) choice.value = index;
  for (const name of ["error", "macs", "trade"]) {
    if (views[name]) views[name].signal("layer", index).runAsync();
  }
  if (data.pictures.samples.length) showSamples(data.layers[index]);
  const card = document.getElementById("layer-card");
  if (card) card.replaceChildren(...data.cards[index].map(([term, said]) => {
    const line = element("div");
    line.append(element("dt", "", term), element("dd", "", said));
    return line;
  }));
}

function startLayers() {
  const choices = document.querySelectorAll(".layer-choice");
  if (!choices.length || !data.layers.length) return;
  for (const choice of choices) {
    data.labels.forEach((label, i) => {
      const option = element("option", "", label);
      option.value = i;
      choice.append(option);
    });
    choice.addEventListener("change", () => showLayer(Number(choice.value)));
  }
  const seen = data.pictures.samples.length ? data.pictures.samples[0].layers.map((layer) => layer.name) : [];
  showLayer(Math.max(0, data.layers.findIndex((name) => seen.includes(name))));
}

// The table.

function sortBy(table, column, header) {
  const ascending = header.getAttribute("aria-sort") !== "ascending";
  for (const each of table.querySelectorAll("th")) each.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const key = (row) => {
    const cell = row.children[column];
    return cell.dataset.key === undefined ? cell.textContent : Number(cell.dataset.key);
  };
  const rows = [...table.tBodies[0].rows].sort((one, other) => {
    const [a, b] = [key(one), key(other)];
    const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
    return ascending ? order : -order;
  });
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("th").forEach((header, column) => {
    header.querySelector("button").addEventListener("click", () => sortBy(table, column, header));
  });
}

// The charts. Each has a row for each layer and place of a curve.

function curveRows() {
  return data.curves.layers.flatMap((layer, i) => data.curves.thresholds.map((t, place) => ({
    i,
    t,
    layer: data.labels[i],
    error: layer.error[place],
    macs: layer.macs[place],
    fitted_error: layer.fitted_error[place],
    fitted_macs: layer.fitted_macs[place],
  })));
}

function tradeRows() {
  return frontier.points.flatMap((point) => data.labels.map((layer, i) => ({
    i,
    layer,
    saved: point.layer_saved[i],
    error: point.layer_error[i],
  })));
}

const rows = { error: curveRows, macs: curveRows, trade: tradeRows };

// Vega's expressions are interpreted: the page allows no code but its own.
const drawn = Object.entries(data.charts).map(async ([name, specification]) => {
  const place = document.getElementById(`chart-${name}`);
  const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true };
  const datasets = rows[name] ? { [specification.data.name]: rows[name]() } : {};
  const description = place.getAttribute("aria-label"); // which Vega would put another in the place of
  views[name] = (await vegaEmbed(place, { ...specification, description, datasets }, options)).view;
});

// Paper has another width than the window, and is laid out before Vega sees that. Vega's run renders before it.
const PAPER = 680; // A4 and Letter, less margins of 14 mm, at 96 pixels per inch

addEventListener("beforeprint", () => Object.values(views).forEach((view) => view.width(PAPER).run()));
addEventListener("afterprint", () => dispatchEvent(new Event("resize")));

Promise.all(drawn).then(() => {
  if (views.effects) startPoints();
  startLayers();
  document.documentElement.dataset.ready = "true";
});
