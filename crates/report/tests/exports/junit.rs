//! JUnit XML: the elements and attributes that CI systems know, and no others. `xmllint` reads it too where there is
//! one, against the schema that `PEXEC_JUNIT_XSD` names, if it does.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;

use pexec_job::event::{Counts, Kind};
use pexec_report::junit;
use quick_xml::Reader;
use quick_xml::events::Event;

use crate::made::{self, How, Made, failure, success};

/// An element of the schema: what it must have, what it may have, what may stand in it.
const SCHEMA: [(&str, &str, &str, &str); 11] = [
    ("testsuites", "", "name time tests failures errors", "testsuite"),
    (
        "testsuite",
        "name tests failures errors",
        "skipped time timestamp",
        "testcase",
    ),
    (
        "testcase",
        "name",
        "classname time",
        "skipped error failure rerunFailure flakyFailure system-out system-err",
    ),
    ("failure", "", "message type", "text"),
    ("error", "", "message type", "text"),
    ("skipped", "", "message type", "text"),
    ("rerunFailure", "type", "message", "system-out system-err"),
    ("flakyFailure", "type", "message", "system-out system-err"),
    ("system-out", "", "", "text"),
    ("system-err", "", "", "text"),
    ("", "", "", "testsuites"),
];

/// An element as it was read.
#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    children: Vec<Element>,
    text: String,
}

impl Element {
    fn all<'a>(&'a self, name: &str, found: &mut Vec<&'a Element>) {
        if self.name == name {
            found.push(self);
        }
        self.children.iter().for_each(|child| child.all(name, found));
    }

    fn find(&self, name: &str) -> Vec<&Element> {
        let mut found = Vec::new();
        self.all(name, &mut found);
        found
    }

    fn check(&self) {
        let rule = SCHEMA.iter().find(|rule| rule.0 == self.name);
        let (_, must, may, inside) = rule.unwrap_or_else(|| panic!("no element {}", self.name));
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for name in words(must) {
            assert!(self.attributes.contains_key(&name), "{} needs {name}", self.name);
        }
        for name in self.attributes.keys() {
            assert!(
                words(must).contains(name) || words(may).contains(name),
                "{} has no {name}",
                self.name
            );
        }
        for child in &self.children {
            assert!(
                words(inside).contains(&child.name),
                "{} in {}",
                child.name,
                self.name
            );
            child.check();
        }
        assert!(
            *inside == "text" || self.text.trim().is_empty(),
            "text in {}: {}",
            self.name,
            self.text
        );
    }
}

fn xml(made: &Made) -> String {
    let mut out = Vec::new();
    junit::write(&made.report(), &made.output, &mut out).expect("written");
    String::from_utf8(out).expect("UTF-8")
}

fn read(xml: &str) -> Element {
    let mut reader = Reader::from_str(xml);
    let mut open = vec![Element::default()];
    let element = |start: &quick_xml::events::BytesStart<'_>| Element {
        name: start.name().as_ref().to_owned(),
        attributes: start
            .attributes()
            .map(|attribute| attribute.expect("an attribute"))
            .map(|attribute| {
                let value = quick_xml::escape::unescape(&attribute.value).expect("escaped");
                (attribute.key.as_ref().to_owned(), value.into_owned())
            })
            .collect(),
        ..Element::default()
    };
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Start(start) => open.push(element(&start)),
            Event::Empty(start) => open.last_mut().expect("open").children.push(element(&start)),
            Event::End(_) => {
                let closed = open.pop().expect("open");
                open.last_mut().expect("open").children.push(closed);
            }
            Event::Text(text) => open.last_mut().expect("open").text.push_str(&text),
            Event::GeneralRef(name) => {
                let name = format!("&{};", &*name);
                let text = quick_xml::escape::unescape(&name).expect("known").into_owned();
                open.last_mut().expect("open").text.push_str(&text);
            }
            Event::Decl(_) => {}
            Event::Eof => break,
            other => panic!("{other:?}"),
        }
    }
    let root = open.pop().expect("the document");
    assert!(open.is_empty());
    root.check();
    root
}

#[test]
fn it_has_the_form_that_ci_systems_know() {
    let made = made::night(600);
    let text = xml(&made);
    let root = read(&text);
    let suites = root.find("testsuite");
    assert_eq!(suites.len(), 3);
    for suite in suites {
        let cases = suite.find("testcase");
        let told = |name: &str| suite.attributes[name].parse::<usize>().expect("a number");
        assert_eq!(told("tests"), cases.len());
        for (count, element) in [
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ] {
            assert_eq!(told(count), suite.find(element).len(), "{count}");
        }
    }
    validate(&text);
}

/// By a validator of XML, where there is one.
fn validate(text: &str) {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    let mut lint = Command::new("xmllint");
    lint.args(["--noout", "--nonet"]);
    if let Some(schema) = std::env::var_os("PEXEC_JUNIT_XSD") {
        lint.arg("--schema").arg(schema);
    }
    match lint.arg(file.path()).output() {
        Ok(said) => assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr)),
        Err(error) => println!("skipped: no xmllint: {error}"),
    }
}

#[test]
fn a_failure_has_its_reason_and_its_output() {
    let mut made = Made::begun(&[("a", 1)]);
    let how = How {
        stdout: b"seen <1>\n".to_vec(),
        stderr: b"bad \x1b[1mthing\x1b[0m \0\xff ]]>\n".to_vec(),
        ..failure()
    };
    made.ran(&Made::who("a", 0, "a(\"<&>\x07)"), 1, how);
    let root = read(&xml(&made));
    let case = root.find("testcase")[0];
    assert_eq!(case.attributes["name"], "a(\"<&>\u{2407})");
    let failure = root.find("failure")[0];
    assert_eq!(failure.attributes["message"], "exit 3");
    assert_eq!(root.find("system-out")[0].text, "seen <1>\n");
    assert_eq!(
        root.find("system-err")[0].text,
        "bad thing \u{2400}\u{fffd} ]]>\n"
    );
    assert_eq!(failure.text, "bad thing \u{2400}\u{fffd} ]]>\n");
}

#[test]
fn flaky_retried_and_blocked_instances_are_told_apart() {
    let mut made = Made::begun(&[("a", 2), ("b", 1)]);
    for (index, last) in [success(), failure()].into_iter().enumerate() {
        let who = Made::who("a", index as u64, &format!("a({index})"));
        made.ran(
            &who,
            1,
            How {
                retry: true,
                stderr: b"first\n".to_vec(),
                ..failure()
            },
        );
        made.ran(&who, 2, last);
    }
    made.tell(Kind::Blocked {
        who: Made::who("b", 0, "b"),
        by: "a(1)".into(),
    });
    let root = read(&xml(&made));
    assert_eq!(root.find("flakyFailure").len(), 1);
    assert_eq!(root.find("rerunFailure").len(), 1);
    assert_eq!(root.find("failure").len(), 1);
    assert_eq!(
        root.find("skipped")[0].attributes["message"],
        "blocked: a(1) failed"
    );
}

#[test]
fn what_was_never_started_is_skipped_with_the_reason() {
    let mut made = Made::begun(&[("a", 4), ("b", 2)]);
    made.ran(&Made::who("a", 2, "a(z)"), 1, failure());
    let read_all = |made: &Made| {
        let root = read(&xml(made));
        root.check();
        let cases: Vec<(String, String)> = root
            .find("testcase")
            .iter()
            .map(|case| {
                let skipped = case.find("skipped");
                let why = skipped.first().map(|it| it.attributes["message"].clone());
                (case.attributes["name"].clone(), why.unwrap_or_default())
            })
            .collect();
        let suites = root.find("testsuite");
        for suite in &suites {
            let count = |name: &str| suite.find(name).len().to_string();
            assert_eq!(suite.attributes["tests"], count("testcase"));
            assert_eq!(suite.attributes["skipped"], count("skipped"));
        }
        assert_eq!(
            root.find("testsuites")[0].attributes["tests"],
            cases.len().to_string()
        );
        cases
    };
    let skipped = |names: &[&str], why: &str| {
        names
            .iter()
            .map(|name| ((*name).to_owned(), format!("not started: {why}")))
            .collect::<Vec<_>>()
    };
    let heard = ("a(z)".to_owned(), String::new());
    let mut killed = vec![heard.clone()];
    killed.extend(skipped(
        &["a/0", "a/1", "a/3", "b/0", "b/1"],
        "the run has no last word",
    ));
    assert_eq!(read_all(&made), killed);
    made.tell(Kind::RunFinished {
        counts: Counts::default(),
        signal: None,
        broken: None,
        halted: Some("soon,fail=1".into()),
    });
    let mut halted = vec![heard.clone()];
    halted.extend(skipped(
        &["a/0", "a/1", "a/3", "b/0", "b/1"],
        "the run was halted by soon,fail=1",
    ));
    assert_eq!(read_all(&made), halted);
    // Gone on with: one is kept, one runs, and it is interrupted.
    made.begin(true);
    for (task, total) in [("a", 4), ("b", 0)] {
        made.tell(Kind::Planned {
            task: task.into(),
            total: Some(total),
        });
    }
    made.ran(&Made::who("a", 2, "a(z)"), 1, success());
    made.ran(&Made::who("a", 0, "a(x)"), 1, success());
    made.tell(Kind::RunFinished {
        counts: Counts::default(),
        signal: Some(2),
        broken: None,
        halted: None,
    });
    let mut resumed = vec![("a(x)".to_owned(), String::new()), heard];
    resumed.extend(skipped(&["a/1", "a/3"], "the run was interrupted by signal 2"));
    assert_eq!(read_all(&made), resumed);
}
