//! The HTML report in a real browser: what it shows, what can be done with it, and that it does nothing else. Without a
//! Chromium, and without the means to install one, each test says `skipped` and why.

#[path = "browser/chromium.rs"]
mod chromium;
mod made;

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use chromium::Browser;
use made::{How, Made, failure, success};
use pexec_job::event::Counts;
use serde_json::json;
use tempfile::TempDir;

/// A report in a browser.
struct Page {
    browser: Browser,
    file: PathBuf,
    _dir: TempDir,
}

impl Page {
    /// `None`: there is no browser, which is said.
    fn of(made: &Made) -> Option<Page> {
        let program = match chromium::find() {
            Ok(program) => program,
            Err(why) => {
                println!("skipped: {why}");
                return None;
            }
        };
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("report.html");
        let mut out = BufWriter::new(File::create(&file).expect("created"));
        pexec_report::html::write(&made.report(), &made.output, &mut out).expect("written");
        drop(out);
        let mut page = Page {
            browser: Browser::start(&program),
            file,
            _dir: dir,
        };
        page.browser.open(&page.file);
        Some(page)
    }

    /// It never complained and never asked for anything but itself.
    #[track_caller]
    fn done(self) {
        assert!(
            self.browser.complaints.is_empty(),
            "{:#?}",
            self.browser.complaints
        );
        let own = format!("file://{}", self.file.display());
        let others: Vec<_> = self.browser.requests.iter().filter(|url| **url != own).collect();
        assert!(others.is_empty(), "{others:?}");
    }

    /// How many rows the table has now.
    fn rows(&mut self) -> u64 {
        let rows = self
            .browser
            .eval("Number(document.querySelector('#grid').getAttribute('aria-rowcount')) - 1");
        rows.as_u64().expect("a number")
    }

    /// A column of the rows that can be seen.
    fn column(&mut self, number: usize) -> Vec<String> {
        let cells = self.browser.eval(&format!(
            "[...document.querySelectorAll('.window [role=row]')]
                .sort((a, b) => a.dataset.place - b.dataset.place)
                .map((row) => row.children[{number}].innerText)"
        ));
        let cells = cells.as_array().expect("a list");
        cells
            .iter()
            .map(|cell| cell.as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

/// A small run with a bit of everything.
fn small() -> Made {
    let mut made = Made::begun(&[("a", 5), ("b", 1)]);
    made.ran(
        &Made::who("a", 0, "a(one)"),
        1,
        How {
            wall: 300_000,
            ..success()
        },
    );
    let bad = How {
        stdout: b"half done\n".to_vec(),
        stderr: b"no such \x1b[31mthing\x1b[0m </pre><script>window.hacked = 1</script>\n".to_vec(),
        ..failure()
    };
    made.ran(
        &Made::who("a", 1, "</script><img src=x onerror='window.hacked = 2'>"),
        1,
        bad,
    );
    let flaky = Made::who("a", 2, "a(flaky)");
    made.ran(
        &flaky,
        1,
        How {
            retry: true,
            stderr: b"not yet\n".to_vec(),
            ..failure()
        },
    );
    made.ran(&flaky, 2, success());
    made.ran(
        &Made::who("a", 3, "a(four)"),
        1,
        How {
            wall: 50_000,
            ..success()
        },
    );
    made.ran(
        &Made::who("a", 4, "a(five)"),
        1,
        How {
            wall: 700_000,
            ..success()
        },
    );
    made.tell(pexec_job::event::Kind::Blocked {
        who: Made::who("b", 0, "b"),
        by: "</script><img src=x onerror='window.hacked = 2'>".into(),
    });
    made.over(Counts {
        planned: 6,
        succeeded: 4,
        failed: 1,
        blocked: 1,
        retried: 1,
        ..Counts::default()
    });
    made
}

#[test]
fn the_page_tells_what_the_run_came_to_and_takes_no_label_for_markup() {
    let Some(mut page) = Page::of(&small()) else {
        return;
    };
    let browser = &mut page.browser;
    assert_eq!(browser.text("#verdict"), "1 of 6 failed");
    assert_eq!(browser.text("h1"), "nightly");
    let tiles = browser.text("#tiles").replace('\n', " ");
    for tile in ["6 instances", "4 succeeded", "1 failed", "1 blocked"] {
        assert!(tiles.contains(tile), "{tile}: {tiles}");
    }
    let failures = browser.text("#failures");
    for part in [
        "exit 3",
        "no such thing </pre><script>window.hacked = 1</script>",
        "half done",
        "kept 1 other from running",
    ] {
        assert!(failures.contains(part), "{part}: {failures}");
    }
    assert!(browser.text("#lists").contains("succeeded: flaky"));
    assert_eq!(
        browser.eval("[window.hacked ?? null, document.images.length, document.scripts.length]"),
        json!([null, 0, 3])
    );
    browser.picture("small.png", true);
    page.done();
}

#[test]
fn the_table_is_filtered_searched_and_sorted() {
    let Some(mut page) = Page::of(&small()) else {
        return;
    };
    assert_eq!(page.rows(), 6);
    page.browser.click("#chips [data-state=success]");
    assert_eq!(page.rows(), 4);
    page.browser.click("#chips [data-state=retried]");
    assert_eq!(page.column(0), ["a(flaky)"]);
    page.browser.click("#chips [data-state=all]");
    page.browser.eval("document.querySelector('#task').value = '1', document.querySelector('#task').dispatchEvent(new Event('change'))");
    assert_eq!(page.column(1), ["blocked"]);
    page.browser.eval("document.querySelector('#task').value = '-1', document.querySelector('#task').dispatchEvent(new Event('change'))");
    // Longest first, then shortest first.
    page.browser.click(".heads [aria-colindex='6'] button");
    assert_eq!(page.column(5)[..2], ["700 ms", "300 ms"]);
    page.browser.click(".heads [aria-colindex='6'] button");
    assert_eq!(page.column(5)[..2], ["", "50 ms"]);
    let sorted = page
        .browser
        .eval("document.querySelector(\".heads [aria-colindex='6']\").getAttribute('aria-sort')");
    assert_eq!(sorted, "ascending");
    // Reasons are searched too, and every word has to be found.
    page.browser.click("#search");
    page.browser.type_in("EXIT onerror");
    page.browser
        .until("document.querySelector('#grid').getAttribute('aria-rowcount') === '2'");
    assert!(page.column(0)[0].contains("<img"));
    page.browser.type_in(" nowhere");
    page.browser
        .until("document.querySelector('#grid').innerText.includes('No instance matches')");
    assert_eq!(page.browser.text("#matches"), "0 of 6 instances");
    page.done();
}

#[test]
fn the_timeline_is_zoomed_by_wheel_keys_drag_and_buttons() {
    let Some(mut page) = Page::of(&made::night(400)) else {
        return;
    };
    let browser = &mut page.browser;
    browser.until("document.querySelector('#range').innerText.startsWith('whole run')");
    // What is drawn changes with what is shown.
    let drawn = "(() => { const c = document.querySelector('#lanes');
        return c.getContext('2d').getImageData(90, 0, c.width - 90, c.height).data.filter((v, i) => i % 4 === 3 && v).length })()";
    browser.until(&format!("{drawn} > 1000"));
    browser.eval("document.querySelector('#lanes').focus()");
    let (x, y) = browser.middle("#lanes");
    browser.wheel(x, y, -300.0);
    browser.until("!document.querySelector('#range').innerText.startsWith('whole')");
    let zoomed = browser.text("#range");
    browser.key("+");
    browser.until(&format!(
        "document.querySelector('#range').innerText !== {}",
        json!(zoomed)
    ));
    // Dragged to the left, later attempts come into view.
    let pixels = "document.querySelector('#ruler').toDataURL()";
    let before = browser.eval(pixels);
    browser.mouse("mousePressed", x, y);
    browser.mouse("mouseMoved", x - 20.0, y);
    browser.mouse("mouseMoved", x - 120.0, y);
    browser.mouse("mouseReleased", x - 120.0, y);
    browser.until(&format!("{pixels} !== {before}"));
    assert_eq!(
        browser.eval("document.querySelector('#details').open"),
        false,
        "a drag is no click"
    );
    browser.key("0");
    browser.until("document.querySelector('#range').innerText.startsWith('whole')");
    browser.click("#zoom-in");
    browser.until("!document.querySelector('#range').innerText.startsWith('whole')");
    browser.click("#zoom-reset");
    browser.until("document.querySelector('#range').innerText.startsWith('whole')");
    // Pointed at, an attempt says what it is.
    let (x, y) = browser.middle("#lanes");
    browser.mouse("mouseMoved", x, y);
    let tip = browser.text("#tip");
    assert!(tip.contains("took") || tip.contains("running"), "{tip}");
    // Before a click the wheel is the page's.
    browser.eval("document.activeElement.blur(), scrollTo(0, 0)");
    let (x, y) = browser.middle("#lanes");
    let before = browser.eval("scrollY");
    browser.wheel(x, y, 100.0);
    browser.until(&format!("scrollY !== {before}"));
    assert!(browser.text("#range").starts_with("whole run"));
    page.done();
}

#[test]
fn everything_can_be_reached_without_a_mouse() {
    let Some(mut page) = Page::of(&small()) else {
        return;
    };
    let browser = &mut page.browser;
    // Tab comes by the timeline and by a row of the table.
    let mut passed = Vec::new();
    for _ in 0..60 {
        browser.key("Tab");
        let here = browser.eval("document.activeElement.id || document.activeElement.getAttribute('role') || document.activeElement.className || document.activeElement.tagName");
        passed.push(here.as_str().unwrap_or_default().to_owned());
        if passed.last().is_some_and(|here| here == "row") {
            break;
        }
    }
    for stop in ["theme", "lanes", "zoom-in", "search", "row"] {
        assert!(passed.iter().any(|here| here == stop), "{stop}: {passed:?}");
    }
    browser.key("End");
    assert_eq!(browser.eval("document.activeElement.dataset.place"), "5");
    browser.key("ArrowUp");
    browser.key("Enter");
    let details = browser.text("#details");
    assert!(
        browser.eval("document.querySelector('#details').open") == true,
        "{details}"
    );
    browser.key("Escape");
    browser.until("!document.querySelector('#details').open");
    assert_eq!(
        browser.eval("document.activeElement.dataset.place"),
        "4",
        "focus comes back"
    );
    // On the timeline, arrows go from attempt to attempt and say where they are.
    browser.eval("document.querySelector('#lanes').focus()");
    browser.key("ArrowRight");
    assert!(browser.text("#told").starts_with("a(one): succeeded"));
    browser.key("ArrowRight");
    assert!(browser.text("#told").contains("failed, exit 3"));
    browser.key("Enter");
    assert!(browser.text("#details").contains("half done"));
    // Whatever can be pressed has a name.
    let nameless = browser.eval(
        "[...document.querySelectorAll('button, input, select, canvas[tabindex]')]
            .filter((e) => !(e.innerText || e.getAttribute('aria-label'))).map((e) => e.outerHTML)",
    );
    assert_eq!(nameless, json!([]));
    page.done();
}

#[test]
fn fifty_thousand_rows_scroll_to_the_end_and_are_searched() {
    let Some(mut page) = Page::of(&made::night(50_000)) else {
        return;
    };
    assert_eq!(page.rows(), 50_001);
    page.browser.click("#instances-title");
    page.browser
        .eval("document.querySelector('.scroll').scrollTop = 1e9");
    page.browser
        .until("document.querySelector('[data-place=\"50000\"]') !== null");
    let shown = page.browser.eval(
        "(() => { const row = document.querySelector('[data-place=\"50000\"]').getBoundingClientRect();
            const box = document.querySelector('.scroll').getBoundingClientRect();
            return row.bottom <= box.bottom + 1 && row.top >= box.top; })()",
    );
    assert_eq!(shown, true, "the last row is in view");
    let elements = page
        .browser
        .eval("document.querySelectorAll('.window [role=row]').length");
    assert!(
        elements.as_u64().expect("a number") < 60,
        "only rows that are seen exist: {elements}"
    );
    page.browser.click("#search");
    page.browser.type_in("img_24999");
    page.browser
        .until("document.querySelector('#grid').getAttribute('aria-rowcount') === '3'");
    assert_eq!(page.column(0).len(), 2);
    page.browser.picture("large.png", false);
    page.done();
}

#[test]
fn it_is_light_or_dark_and_prints_what_is_needed() {
    let Some(mut page) = Page::of(&made::night(3000)) else {
        return;
    };
    let browser = &mut page.browser;
    let back = "getComputedStyle(document.body).backgroundColor";
    let dark = |browser: &mut Browser, value: &str| {
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        browser.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    };
    dark(browser, "light");
    let light = browser.eval(back);
    browser.picture("light.png", true);
    dark(browser, "dark");
    browser.until(&format!("{back} !== {light}"));
    browser.picture("dark.png", true);
    browser.click("#theme");
    browser.until(&format!("{back} === {light}"));
    dark(browser, "dark");
    assert_eq!(browser.eval(back), light, "what was chosen stays");
    browser.size(420, 900);
    browser.picture("narrow.png", true);
    let wide = browser.eval("document.documentElement.scrollWidth");
    assert!(
        wide.as_u64().expect("a number") <= 420,
        "the page is wider than its window: {wide}"
    );
    let printed = browser.call("Page.printToPDF", json!({ "printBackground": true }));
    assert!(printed["data"].as_str().is_some_and(|pdf| pdf.len() > 10_000));
    if let Some(dir) = std::env::var_os("PEXEC_SCREENSHOTS") {
        use base64::Engine;
        let pdf =
            base64::engine::general_purpose::STANDARD.decode(printed["data"].as_str().unwrap_or_default());
        std::fs::write(PathBuf::from(dir).join("printed.pdf"), pdf.expect("base64")).expect("written");
    }
    assert_eq!(
        browser.eval("document.querySelectorAll('#printed tbody tr').length"),
        500
    );
    page.done();
}
