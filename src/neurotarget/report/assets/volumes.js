/* Arithmetic on volumes for the viewer: a finer grid, masks on it, surfaces of masks. A volume is
   `{ voxels, side, affine }`; its first axis runs fastest. */
(function () {
  "use strict";

  const MOST_VOXELS = 5e6; // of the finer grid
  const MOST_SIDE = 400;

  /* A grid of up to three times as many voxels a side, so that outlines are thin and smooth. */
  function finer(side, affine) {
    const n = side[0] * side[1] * side[2];
    let factor = 3;
    while (factor > 1 && (n * factor ** 3 > MOST_VOXELS || Math.max(...side) * factor > MOST_SIDE)) {
      factor -= 1;
    }
    const shift = 1 / (2 * factor) - 0.5;
    const rows = affine.map((row, line) =>
      line === 3
        ? [0, 0, 0, 1]
        : [...row.slice(0, 3).map((x) => x / factor),
           row[3] + shift * (row[0] + row[1] + row[2])],
    );
    const length = [0, 1, 2].map((axis) => Math.hypot(rows[0][axis], rows[1][axis], rows[2][axis]));
    const steps = side.map((count) => {
      const low = new Int32Array(count * factor);
      const high = new Int32Array(count * factor);
      const weight = new Float32Array(count * factor);
      for (let i = 0; i < count * factor; i++) {
        const x = (i + 0.5) / factor - 0.5;
        const below = Math.floor(x);
        low[i] = Math.max(below, 0);
        high[i] = Math.min(below + 1, count - 1);
        weight[i] = x - below;
      }
      return { low, high, weight };
    });
    const fine = side.map((count) => count * factor);
    return { side, fine, factor, steps, size: n * factor ** 3, affine: rows, length };
  }

  /* Calls `each(place, corners, weights)` for every voxel of the finer grid. */
  function walk(grid, each) {
    const [xs, ys, zs] = grid.steps;
    const [nx, ny] = grid.side;
    const at = new Int32Array(8);
    const w = new Float32Array(8);
    let place = 0;
    for (let z = 0; z < grid.fine[2]; z++) {
      const z0 = zs.low[z] * nx * ny, z1 = zs.high[z] * nx * ny, wz = zs.weight[z];
      for (let y = 0; y < grid.fine[1]; y++) {
        const y0 = ys.low[y] * nx, y1 = ys.high[y] * nx, wy = ys.weight[y];
        const a = (1 - wy) * (1 - wz), b = wy * (1 - wz), c = (1 - wy) * wz, d = wy * wz;
        const r0 = y0 + z0, r1 = y1 + z0, r2 = y0 + z1, r3 = y1 + z1;
        for (let x = 0; x < grid.fine[0]; x++) {
          const x0 = xs.low[x], x1 = xs.high[x], wx = xs.weight[x], vx = 1 - wx;
          at[0] = r0 + x0; at[1] = r0 + x1; at[2] = r1 + x0; at[3] = r1 + x1;
          at[4] = r2 + x0; at[5] = r2 + x1; at[6] = r3 + x0; at[7] = r3 + x1;
          w[0] = a * vx; w[1] = a * wx; w[2] = b * vx; w[3] = b * wx;
          w[4] = c * vx; w[5] = c * wx; w[6] = d * vx; w[7] = d * wx;
          each(place++, at, w);
        }
      }
    }
  }

  function interpolated(voxels, grid) {
    if (grid.factor === 1) return Uint8Array.from(voxels);
    const out = new Uint8Array(grid.size);
    walk(grid, (place, at, w) => {
      let sum = 0.5;
      for (let k = 0; k < 8; k++) sum += voxels[at[k]] * w[k];
      out[place] = sum;
    });
    return out;
  }

  /* The class that weighs most at each voxel of the finer grid. */
  function classes(voxels, grid) {
    if (grid.factor === 1) return Uint8Array.from(voxels);
    const out = new Uint8Array(grid.size);
    walk(grid, (place, at, w) => {
      const first = voxels[at[0]];
      let differs = false;
      for (let k = 1; k < 8; k++) if (voxels[at[k]] !== first) differs = true;
      if (!differs) {
        out[place] = first;
        return;
      }
      let best = 0, most = -1;
      for (let k = 0; k < 8; k++) {
        const one = voxels[at[k]];
        let sum = 0;
        for (let j = 0; j < 8; j++) if (voxels[at[j]] === one) sum += w[j];
        if (sum > most) { most = sum; best = one; }
      }
      out[place] = best;
    });
    return out;
  }

  /* Class numbers as one channel of a coloured volume. */
  function pack(inside, masks, channel) {
    for (let i = 0; i < inside.length; i++) {
      if (!inside[i]) continue;
      masks[4 * i + channel] = inside[i];
      masks[4 * i + 3] = 255;
    }
  }

  /* World position of the middle of the first mask that holds anything, or else of the volume. */
  function centre(masks, known) {
    const [nx, ny, nz] = known.side;
    let middle = [(nx - 1) / 2, (ny - 1) / 2, (nz - 1) / 2];
    for (const { voxels } of masks) {
      let x = 0, y = 0, z = 0, n = 0;
      for (let i = 0; i < voxels.length; i++) {
        if (!voxels[i]) continue;
        x += i % nx; y += Math.floor(i / nx) % ny; z += Math.floor(i / (nx * ny)); n++;
      }
      if (n) { middle = [x / n, y / n, z / n]; break; }
    }
    return moved(known.affine, middle);
  }

  function moved(affine, [x, y, z]) {
    return [0, 1, 2].map((row) => {
      const [a, b, c, d] = affine[row];
      return a * x + b * y + c * z + d;
    });
  }

  // -- surfaces of the 3-D view (naive surface nets, smoothed) ------------------------------------
  function surface(voxels, side, affine, isInside) {
    const [nx, ny, nz] = side;
    const inside = (x, y, z) =>
      x >= 0 && y >= 0 && z >= 0 && x < nx && y < ny && z < nz &&
      isInside(voxels[x + nx * (y + ny * z)]);
    const cells = new Map();
    const points = [];
    const faces = [];
    const cell = (x, y, z) => {
      const key = x + 1 + (nx + 1) * (y + 1 + (ny + 1) * (z + 1));
      if (!cells.has(key)) {
        cells.set(key, points.length / 3);
        points.push(...middle(inside, x, y, z));
      }
      return cells.get(key);
    };
    const quad = (a, b, c, d, flip) => {
      if (flip) faces.push(a, c, b, a, d, c);
      else faces.push(a, b, c, a, c, d);
    };
    for (let z = 0; z < nz; z++) for (let y = 0; y < ny; y++) for (let x = 0; x < nx; x++) {
      if (!isInside(voxels[x + nx * (y + ny * z)])) continue;
      for (const far of [0, 1]) {
        const step = far ? 1 : -1;
        if (!inside(x + step, y, z)) {
          const u = x - 1 + far;
          quad(cell(u, y - 1, z - 1), cell(u, y, z - 1), cell(u, y, z), cell(u, y - 1, z), !far);
        }
        if (!inside(x, y + step, z)) {
          const v = y - 1 + far;
          quad(cell(x - 1, v, z - 1), cell(x - 1, v, z), cell(x, v, z), cell(x, v, z - 1), !far);
        }
        if (!inside(x, y, z + step)) {
          const t = z - 1 + far;
          quad(cell(x - 1, y - 1, t), cell(x, y - 1, t), cell(x, y, t), cell(x - 1, y, t), !far);
        }
      }
    }
    if (!points.length) return null;
    smooth(points, faces, [0.5, -0.52, 0.5, -0.52, 0.5, -0.52]);
    const out = new Float32Array(points.length);
    for (let i = 0; i < points.length; i += 3) out.set(moved(affine, points.slice(i, i + 3)), i);
    return { points: out, faces: Uint32Array.from(faces) };
  }

  /* Mean of the middles of those edges of a cell that cross the surface. */
  function middle(inside, x, y, z) {
    const corner = (k) => [x + (k & 1), y + ((k >> 1) & 1), z + ((k >> 2) & 1)];
    const sum = [0, 0, 0];
    let n = 0;
    for (let a = 0; a < 8; a++) {
      for (const bit of [1, 2, 4]) {
        if (a & bit) continue;
        const p = corner(a), q = corner(a | bit);
        if (inside(...p) === inside(...q)) continue;
        for (let axis = 0; axis < 3; axis++) sum[axis] += (p[axis] + q[axis]) / 2;
        n++;
      }
    }
    return sum.map((value) => value / n);
  }

  /* Taubin's smoothing, which does not shrink (doi:10.1145/218380.218473). */
  function smooth(points, faces, weights) {
    for (const weight of weights) {
      const sums = new Float64Array(points.length);
      const counts = new Uint16Array(points.length / 3);
      for (let i = 0; i < faces.length; i += 3) {
        for (let k = 0; k < 3; k++) {
          const a = faces[i + k], b = faces[i + ((k + 1) % 3)];
          for (let axis = 0; axis < 3; axis++) {
            sums[3 * a + axis] += points[3 * b + axis];
            sums[3 * b + axis] += points[3 * a + axis];
          }
          counts[a]++;
          counts[b]++;
        }
      }
      for (let i = 0; i < points.length; i++) {
        points[i] += weight * (sums[i] / counts[Math.floor(i / 3)] - points[i]);
      }
    }
  }

  /* The class at a place that is given in fractions of each side. */
  function classAt({ voxels, side }, fractions) {
    const [x, y, z] = side.map((count, axis) =>
      Math.min(Math.max(Math.floor(fractions[axis] * count), 0), count - 1),
    );
    return voxels[x + side[0] * (y + side[1] * z)];
  }

  window.neurotargetReport.volumes = { finer, interpolated, classes, pack, centre, surface, classAt };
})();
