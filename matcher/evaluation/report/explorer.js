"use strict";
(() => {
  const { used, total, points } = JSON.parse(document.getElementById("curve").textContent);
  const slider = document.getElementById("slider");
  const ruler = document.getElementById("ruler");
  const { low, high, start, stop } = document.getElementById("thresholds").dataset;
  const count = new Intl.NumberFormat("en-GB");
  const share = (part, whole) => (whole ? part / whole : 1).toFixed(4);

  function show() {
    const [weight, right, wrong] = points[Number(slider.value)];
    const probability = 1 / (1 + 2 ** -weight);
    const shown = {
      weight: weight.toFixed(2),
      probability: probability.toFixed(4),
      precision: share(right, right + wrong),
      recall: share(right, total),
      f1: share(2 * right, right + wrong + total),
      links: count.format(right + wrong),
      false: count.format(wrong),
      missed: count.format(total - right),
    };
    for (const [name, text] of Object.entries(shown)) {
      document.getElementById(`at-${name}`).textContent = text;
    }
    const inside = Math.min(Math.max(weight, Number(low)), Number(high));
    const x = Number(start) + ((inside - low) / (high - low)) * (stop - start);
    ruler.setAttribute("x1", x);
    ruler.setAttribute("x2", x);
    slider.setAttribute("aria-valuetext", `${shown.weight} bits, probability ${shown.probability}`);
  }

  slider.max = points.length - 1;
  slider.value = used;
  slider.addEventListener("input", show);
  const reset = document.getElementById("reset");
  reset.addEventListener("click", () => {
    slider.value = used;
    show();
  });
  slider.disabled = reset.disabled = false;
  show();
})();
