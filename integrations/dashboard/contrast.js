// SPDX-License-Identifier: Apache-2.0
// The texts of the page that have too little contrast with what is behind them (WCAG 2.2, 1.4.3: 4.5, or 3 if they are large).
() => {
  const numbers = colour => colour.match(/[\d.]+/g).map(Number);
  const over = ([r, g, b, a = 1], back) => [r, g, b].map((part, index) => part * a + back[index] * (1 - a));
  const luminance = colour => {
    const [r, g, b] = colour.map(part => part / 255).map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    const chain = [];
    for (let each = element; each; each = each.parentElement) chain.unshift(numbers(getComputedStyle(each).backgroundColor));
    return chain.reduce((back, colour) => over(colour, back), [255, 255, 255]);
  };
  const faults = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || ['SCRIPT', 'NOSCRIPT'].includes(element.tagName) || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const back = behind(element);
    const front = over(numbers(element instanceof SVGElement ? style.fill : style.color), back);
    const [low, high] = [luminance(front), luminance(back)].sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05);
    const size = parseFloat(style.fontSize);
    if (ratio < (size >= 24 || size >= 18.66 && style.fontWeight >= 700 ? 3 : 4.5)) {
      faults.push(`${walk.currentNode.textContent.trim()}: ${ratio.toFixed(2)}`);
    }
  }
  return faults;
}
