/* The viewer: NiiVue shows slices and a 3-D view of one case at a time. A volume is decoded when
   its case is opened. Masks reach the GPU as class numbers, the reference in red and the prediction
   in green, and a shader of our own draws their outlines and fills, so that both stay apart. */
(function () {
  "use strict";

  const MOST_SURFACES = 12; // classes with a surface each; of more, all are one
  const MASKS = ["truth", "pred"];
  const BACKGROUND = 45; // grey where there is no scan
  const LINE_PX = 1.6; // half the width of an outline
  const CLIPPED = [-3, 0, 0]; // a clip plane beyond the scan, which hides it in the 3-D view
  const HALVED = [0, 0, 90]; // the lower half of the scan stays

  const dialog = document.getElementById("viewer");
  const report = window.neurotargetReport;
  const { finer, interpolated, classes, pack, centre, surface, classAt } = report.volumes;
  const cases = report.page.cases.filter((one) => one.parts.length);
  report.viewer = { has: () => false, open: () => false };
  if (!dialog || !cases.length || !window.niivue) return;

  const part = (name) => dialog.querySelector(`[data-part="${name}"]`);
  const controlled = MASKS.filter(part); // one method alone has one mask
  const viewButtons = [...dialog.querySelectorAll("[data-view]")];
  const settings = { outline: true, byLabel: false, scan3d: false };
  for (const name of MASKS) settings[name] = { on: true, fill: 0.2 };
  const prepared = new Map(); // case number → what is shown; the last few
  let nv = null;
  let starting = null;
  let current = -1;
  let shown = null;
  let wanted = 0;
  let view = "multi";

  // -- volumes ---------------------------------------------------------------------------------
  async function read(number, name) {
    const script = document.getElementById(`volume-${number}-${name}`);
    if (!script) return null;
    const image = await niivue.NVImage.loadFromBase64({
      base64: script.textContent.trim(),
      name: "part.nii.gz",
    });
    return { voxels: image.img, side: image.hdr.dims.slice(1, 4), affine: image.hdr.affine };
  }

  async function prepare(number) {
    if (prepared.has(number)) return prepared.get(number);
    const one = cases[number];
    const parts = {};
    for (const name of one.parts) parts[name] = await read(one.number, name);
    const known = parts.image || parts.truth || parts.pred;
    const grid = finer(known.side, known.affine);
    const found = { grid, parts, centre: null };
    found.centre = centre(MASKS.map((name) => parts[name]).filter(Boolean), known);
    found.image = parts.image
      ? interpolated(parts.image.voxels, grid)
      : new Uint8Array(grid.size).fill(BACKGROUND);
    found.masks = new Uint8Array(4 * grid.size);
    MASKS.forEach((name, channel) => {
      if (parts[name]) pack(classes(parts[name].voxels, grid), found.masks, channel);
    });
    prepared.set(number, found);
    if (prepared.size > 3) prepared.delete(prepared.keys().next().value);
    return found;
  }

  function surfaces(found, name) {
    const { voxels, side, affine } = found.parts[name];
    const present = [...new Set(voxels)].filter((one) => one > 0).sort((a, b) => a - b);
    const groups = present.length <= MOST_SURFACES
      ? present.map((one) => [one, (value) => value === one])
      : [[0, (value) => value > 0]];
    return groups
      .map(([number, isInside]) => [number, surface(voxels, side, affine, isInside)])
      .filter(([, mesh]) => mesh)
      .map(([number, mesh]) => {
        const drawn = new niivue.NVMesh(
          mesh.points, mesh.faces, name, new Uint8Array([...colour(name, number), 255]), 1, true,
          nv.gl,
        );
        drawn.classNumber = number;
        return drawn;
      });
  }

  // -- colours -------------------------------------------------------------------------------------
  function colour(name, number) {
    const palette = report.page.palette;
    if (settings.byLabel && number) return palette[(number - 1) % palette.length];
    return report.page.colours[name];
  }

  const vector = (rgb) => `vec3(${rgb.map((one) => (one / 255).toFixed(4)).join(", ")})`;

  /* Slices: the scan, then each mask's fill, then outlines of equal width at any zoom. */
  function shader() {
    const { palette, colours } = report.page;
    return `#version 300 es
precision highp int;
precision highp float;
uniform highp sampler3D volume;
uniform highp sampler3D overlay;
uniform vec2 truthHow;
uniform vec2 predHow;
uniform float line;
uniform bool byLabel;
in vec3 texPos;
out vec4 color;
const vec3 palette[${palette.length}] = vec3[](${palette.map(vector).join(", ")});
ivec2 classesAt(vec3 place) {
  ivec3 side = textureSize(overlay, 0);
  ivec3 voxel = clamp(ivec3(floor(place * vec3(side))), ivec3(0), side - 1);
  return ivec2(texelFetch(overlay, voxel, 0).rg * 255.0 + 0.5);
}
vec3 colourOf(int number, vec3 own) {
  return byLabel ? palette[(number - 1) % ${palette.length}] : own;
}
void main() {
  color = vec4(texture(volume, texPos).rgb, 1.0);
  ivec2 here = classesAt(texPos);
  vec3 across = dFdx(texPos) * line;
  vec3 up = dFdy(texPos) * line;
  bvec2 edge = bvec2(false);
  for (int k = 0; k < 8; k++) {
    float angle = 0.7853982 * float(k);
    ivec2 there = classesAt(texPos + across * cos(angle) + up * sin(angle));
    edge = bvec2(edge.x || there.x != here.x, edge.y || there.y != here.y);
  }
  vec3 truth = colourOf(here.x, ${vector(colours.truth)});
  vec3 pred = colourOf(here.y, ${vector(colours.pred)});
  bvec2 inside = bvec2(here.x > 0 && truthHow.x > 0.0, here.y > 0 && predHow.x > 0.0);
  if (inside.x) color.rgb = mix(color.rgb, truth, truthHow.y);
  if (inside.y) color.rgb = mix(color.rgb, pred, predHow.y);
  if (line == 0.0) return;
  if (inside.x && edge.x) color.rgb = truth;
  if (inside.y && edge.y) color.rgb = byLabel ? vec3(1.0) : pred;
}`;
  }

  function tellShader() {
    if (!nv.customSliceShader) nv.setCustomSliceShader(shader());
    const { program } = nv.customSliceShader;
    const at = (name) => nv.gl.getUniformLocation(program, name);
    nv.gl.useProgram(program);
    for (const name of MASKS) {
      nv.gl.uniform2f(at(`${name}How`), Number(settings[name].on), settings[name].fill);
    }
    nv.gl.uniform1f(at("line"), settings.outline ? LINE_PX * (window.devicePixelRatio || 1) : 0);
    nv.gl.uniform1i(at("byLabel"), Number(settings.byLabel));
  }

  // -- NiiVue --------------------------------------------------------------------------------------
  async function start() {
    nv = new niivue.Niivue({
      logLevel: "error",
      loadingText: "",
      dragAndDropEnabled: false,
      isRadiologicalConvention: true,
      isOrientCube: false,
      crosshairColor: [0.55, 0.6, 0.6, 1],
      crosshairWidth: 0.25,
      crosshairWidthUnit: "voxels",
      crosshairGap: 12,
      show3Dcrosshair: false,
      multiplanarShowRender: 1,
      multiplanarForceRender: true,
      multiplanarPadPixels: 4,
      meshThicknessOn2D: 0,
      renderOverlayBlend: 0,
      backColor: [0, 0, 0, 1],
      clipPlaneColor: [0, 0, 0, 0],
      fontColor: [1, 0.9, 0.35, 1],
      fontMinPx: 15,
      showAllOrientationMarkers: true,
    });
    const resize = nv.resizeListener.bind(nv);
    nv.resizeListener = () => dialog.open && resize(); // a closed dialog has no size to draw in
    await nv.attachToCanvas(part("canvas"));
    nv.onLocationChange = tellPlace;
  }

  async function volume(voxels, { fine, length, affine }, datatype, name) {
    const file = niivue.NVImage.createNiftiArray(fine, length, affine.flat(), datatype, voxels);
    return niivue.NVImage.new(file.buffer, `${name}.nii`, "gray", 1, null, 0, 255);
  }

  async function images(found) {
    const scan = await volume(found.image, found.grid, 2, "scan");
    scan.cal_min = 0;
    scan.cal_max = 255;
    return [scan, await volume(found.masks, found.grid, 2304, "masks")];
  }

  function show(found, drawn) {
    shown = found;
    for (const mesh of [...nv.meshes]) nv.removeMesh(mesh);
    nv.volumes = [];
    nv.overlays = [];
    for (const one of drawn) nv.addVolume(one);
    found.meshes = MASKS.filter((name) => found.parts[name]).flatMap((name) => surfaces(found, name));
    for (const mesh of found.meshes) nv.addMesh(mesh);
    nv.scene.crosshairPos = nv.mm2frac(found.centre);
    layout();
    nv.setRenderAzimuthElevation(120, 15);
    refresh();
    nv.createOnLocationChange();
  }

  function refresh() {
    if (!shown?.meshes) return;
    tellShader();
    for (const mesh of shown.meshes) {
      mesh.visible = settings[mesh.name].on;
      mesh.rgba255 = new Uint8Array([...colour(mesh.name, mesh.classNumber), 255]);
      mesh.updateMesh(nv.gl);
    }
    nv.setClipPlane(settings.scan3d && shown.parts.image ? HALVED : CLIPPED);
    nv.drawScene();
  }

  function layout() {
    const kinds = { multi: 3, axial: 0, coronal: 1, sagittal: 2, render: 4 };
    nv.setSliceType(kinds[view]);
    for (const button of viewButtons) {
      button.setAttribute("aria-pressed", String(button.dataset.view === view));
    }
    nv.drawScene();
  }

  function tellPlace(place) {
    const [x, y, z] = place.mm;
    const side = (value, plus, minus) => `${Math.abs(value).toFixed(1)} ${value < 0 ? minus : plus}`;
    part("place").textContent =
      `Crosshair at ${side(x, "R", "L")}, ${side(y, "A", "P")}, ${side(z, "S", "I")} mm.`;
    for (const name of controlled) {
      const found = shown.parts[name] && classAt(shown.parts[name], nv.scene.crosshairPos);
      part(name).querySelector(".here").textContent = report.page.labels[found - 1] ?? "";
    }
  }

  // -- the dialog ----------------------------------------------------------------------------------
  const list = part("cases");
  const buttons = cases.map((one, number) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(named("span", one.id, "name"), named("span", one.rank, "rank"));
    button.addEventListener("click", () => select(number));
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
    return button;
  });

  function named(tag, text, name) {
    const element = document.createElement(tag);
    element.textContent = text;
    element.className = name;
    return element;
  }

  async function select(number) {
    const ticket = ++wanted;
    current = (number + cases.length) % cases.length;
    const one = cases[current];
    part("title").textContent = one.id;
    part("count").textContent = `${current + 1} of ${cases.length}`;
    part("caption").textContent = one.caption;
    part("flags").replaceChildren(...one.flags.map((flag) => named("li", flag, "")));
    buttons.forEach((button, other) => {
      if (other === current) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
    reveal(buttons[current]);
    for (const name of controlled) part(name).disabled = !one.parts.includes(name);
    part("scan3d").disabled = !one.parts.includes("image");
    part("status").textContent = "Opening the volumes …";
    dialog.setAttribute("aria-busy", "true");
    try {
      starting ||= start();
      await starting;
      await new Promise((done) => setTimeout(done, 0)); // lets the text appear first
      const found = await prepare(current);
      const drawn = await images(found);
      if (ticket !== wanted || !dialog.open) return; // asked for no longer
      show(found, drawn);
      part("status").textContent = found.parts.image ? "" : "There is no scan, only masks.";
      dialog.dataset.shown = one.id;
    } catch (error) {
      part("status").textContent = `This case cannot be shown: ${error.message}`;
    }
    if (ticket === wanted) dialog.removeAttribute("aria-busy");
  }

  /* Scroll the side panel, and nothing else, to a button of its list. */
  function reveal(button) {
    const side = list.closest(".side");
    if (getComputedStyle(side).overflowY === "visible") return;
    const [inner, outer] = [button.getBoundingClientRect(), side.getBoundingClientRect()];
    if (inner.bottom > outer.bottom) side.scrollTop += inner.bottom - outer.bottom + 12;
    if (inner.top < outer.top) side.scrollTop -= outer.top - inner.top + 12;
  }

  function step(key) {
    const along = { x: 0, y: 0, z: 0 };
    const through = { axial: "z", coronal: "y", sagittal: "x" }[view];
    if (key === "ArrowUp" || key === "ArrowDown") {
      along[through || "z"] = key === "ArrowUp" ? 1 : -1;
    } else if (key === "ArrowLeft" || key === "ArrowRight") {
      along[through || "x"] = key === "ArrowLeft" ? 1 : -1; // the patient's right is on the left
    } else {
      along[through || "y"] = key === "PageUp" ? 1 : -1;
    }
    const factor = shown.grid.factor;
    nv.moveCrosshairInVox(along.x * factor, along.y * factor, along.z * factor);
  }

  function toggle(name) {
    part(name)?.querySelector("input[type=checkbox]:enabled")?.click();
  }

  const KEYS = {
    n: () => select(current + 1),
    p: () => select(current - 1),
    1: () => toggle("truth"),
    2: () => toggle("pred"),
    o: () => part("outline").click(),
    v: () => {
      const views = viewButtons.map((one) => one.dataset.view);
      view = views[(views.indexOf(view) + 1) % views.length];
      layout();
    },
  };
  const SCROLL = ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "PageUp", "PageDown"];

  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const field = event.target.closest("input[type=range], select");
    if (SCROLL.includes(event.key) && !field && shown) {
      step(event.key);
    } else if (KEYS[event.key.toLowerCase()] && !event.target.closest("select")) {
      KEYS[event.key.toLowerCase()]();
    } else if (event.target !== part("canvas") || ["Tab", "Escape"].includes(event.key)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation(); // NiiVue has keys of its own
  }, true);
  dialog.addEventListener("keyup", (event) => {
    if (event.target === part("canvas")) event.stopPropagation();
  }, true);

  for (const name of controlled) {
    const [box, slider] = part(name).querySelectorAll("input");
    box.addEventListener("change", () => { settings[name].on = box.checked; refresh(); });
    slider.addEventListener("input", () => { settings[name].fill = slider.value / 100; refresh(); });
  }
  for (const name of ["outline", "scan3d"]) {
    part(name).addEventListener("change", (event) => {
      settings[name] = event.target.checked;
      refresh();
    });
  }
  part("by")?.addEventListener("change", (event) => {
    settings.byLabel = event.target.value === "label";
    dialog.classList.toggle("by-label", settings.byLabel);
    refresh();
  });
  for (const button of viewButtons) {
    button.addEventListener("click", () => { view = button.dataset.view; layout(); });
  }
  part("previous").addEventListener("click", () => select(current - 1));
  part("next").addEventListener("click", () => select(current + 1));
  part("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    wanted += 1;
    report.forgetHash();
  });

  function works() {
    const context = document.createElement("canvas").getContext("webgl2");
    context?.getExtension("WEBGL_lose_context")?.loseContext();
    return Boolean(context);
  }

  const isAble = typeof dialog.showModal === "function" && works();
  for (const note of document.querySelectorAll("[data-no-webgl]")) note.hidden = isAble;
  if (!isAble) return;
  for (const button of document.querySelectorAll("[data-opens]")) button.disabled = false;

  report.viewer = {
    has: (id) => cases.some((one) => one.id === id),
    open(id) {
      const number = cases.findIndex((one) => one.id === id);
      if (number < 0) return false;
      if (!dialog.open) dialog.showModal();
      part("canvas").focus();
      select(number);
      return true;
    },
  };
})();
