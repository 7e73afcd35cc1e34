// Chromium, and what a person sees and a network log shows.

import { chromium } from "playwright-core";

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

// One browser profile with one tab. Requests are only watched: intercepting them would change how preflights are made.
export class Visitor {
  static async arrive(browser, site, api) {
    const context = await browser.newContext();
    const page = await context.newPage();
    const visitor = new Visitor(context, page, api);
    await page.goto(site);
    await visitor.ready();
    return visitor;
  }

  constructor(context, page, api) {
    Object.assign(this, { context, page, api, answers: [], complaints: [] });
    page.on("pageerror", (error) => this.complaints.push(`uncaught: ${error.message}`));
    page.on("console", (message) => {
      // That an answer was a 401 is an error to the console, too, but none to us.
      if (message.type() === "error" && !/status of 401/.test(message.text())) this.complaints.push(message.text());
    });
    page.on("response", (response) => {
      const url = new URL(response.url());
      if (url.origin !== api) return;
      this.answers.push({ call: `${response.request().method()} ${url.pathname}`, status: response.status(), response });
    });
  }

  ready() {
    return this.page.waitForSelector("body[data-ready]", { state: "attached" });
  }

  async reload() {
    await this.page.reload();
    await this.ready();
  }

  // A function of `window.app`.
  app(name, ...args) {
    return this.page.evaluate(([name, args]) => window.app[name](...args), [name, args]);
  }

  frames() {
    return this.page.evaluate(() => window.app.frames);
  }

  streaming() {
    return this.page.waitForFunction(() => window.app.isStreaming() && window.app.frames.some((frame) => frame.name === "USER_METADATA"));
  }

  shows(title) {
    return this.page.waitForSelector(`#events li:text-is("${title}")`);
  }

  // Statuses of the answers to a call since `since`, in their order.
  statuses(call, since = 0) {
    return this.answers.slice(since).filter((answer) => answer.call === call).map((answer) => answer.status);
  }

  // Session cookies of the API and of the SDK by name, whatever their path.
  async cookies() {
    const all = await this.context.cookies(`${this.api}/api/session/refresh`);
    return Object.fromEntries(all.map((cookie) => [cookie.name, cookie]));
  }

  async replaceCookie(name, change) {
    const cookie = (await this.cookies())[name];
    await this.context.addCookies([{ ...cookie, value: change(cookie.value) }]);
  }
}
