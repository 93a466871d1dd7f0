(() => {
  // The relative luminance and the contrast of WCAG 2.
  const parse = (text) => {
    const pen = document.createElement("canvas").getContext("2d");
    pen.fillStyle = text;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = parse(getComputedStyle(each).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const worst = { text: { ratio: 99, what: "" }, mark: { ratio: 99, what: "" } };
  const note = (kind, ratio, what) => { if (ratio < worst[kind].ratio) worst[kind] = { ratio, what }; };
  document.getElementById("keys").hidden = false;
  for (const element of document.querySelectorAll("body *")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!hasText || ["SCRIPT", "NOSCRIPT", "STYLE"].includes(element.tagName)) continue;
    note("text", contrast(parse(getComputedStyle(element).color), behind(element)), element.id || element.tagName.toLowerCase());
  }
  document.getElementById("keys").hidden = true;
  const style = getComputedStyle(document.documentElement);
  const color = (name) => parse(style.getPropertyValue("--" + name).trim());
  for (const ground of ["paper", "returned", "failed", "open", "problem"]) note("text", contrast(color("ink"), color(ground)), "ink on " + ground);
  for (const text of ["quiet", "band-text"]) note("text", contrast(color(text), color("paper")), text + " on paper");
  for (const mark of ["returned-edge", "failed-edge", "open-edge", "problem-edge", "core-edge", "point", "focus", "edge"]) {
    note("mark", contrast(color(mark), color("paper")), mark + " on paper");
  }
  for (const ground of ["returned", "failed", "open", "problem"]) note("mark", contrast(color("point"), color(ground)), "point on " + ground);
  return worst;
})()
