//! A command and items, without a file.

use std::ffi::OsString;
use std::io;

use pexec_job::plan::{Plan, SourceError};
use pexec_job::planner::{self, Overrides};

use crate::{assert_says, command, line, os, take};

fn each(argv: &[&str], items: &[&[u8]]) -> Plan {
    let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
    let items: Vec<io::Result<Vec<u8>>> = items.iter().map(|item| Ok(item.to_vec())).collect();
    planner::each(argv, items.into_iter(), Some(2), &Overrides::default()).expect("right")
}

fn lines(mut plan: Plan) -> Vec<String> {
    let instances = take(&mut plan, 0);
    instances
        .iter()
        .map(|instance| line(&command(instance, 1)))
        .collect()
}

#[test]
fn empty_braces_are_the_item_and_others_are_literal() {
    let plan = each(
        &["awk", "{print} {item} {{}} }{", "<{}>", "{}{}"],
        &[b"a", b"b c"],
    );
    assert_eq!(
        lines(plan),
        [
            "awk {print} {item} {a} }{ <a> aa",
            "awk {print} {item} {b c} }{ <b c> b cb c"
        ]
    );
}

#[test]
fn a_command_without_braces_gets_the_item_last() {
    assert_eq!(lines(each(&["gzip", "-9"], &[b"x"])), ["gzip -9 x"]);
}

#[test]
fn bytes_arrive_as_they_are() {
    let argv = vec![OsString::from("x"), os(b"\xfe{}\xfd").to_owned()];
    let items = [Ok(b"\xff\n'".to_vec())].into_iter();
    let mut plan = planner::each(argv, items, None, &Overrides::default()).expect("right");
    let instance = take(&mut plan, 0).remove(0);
    assert_eq!(command(&instance, 1).argv[1].as_bytes(), b"\xfe\xff\n'\xfd");
    assert_eq!(instance.item.expect("has one").as_bytes(), b"\xff\n'");
}

#[test]
fn the_task_has_the_programs_name() {
    let mut plan = each(&["/usr/bin/gzip"], &[b"a"]);
    assert_eq!((plan.name.as_str(), plan.tasks[0].total), ("gzip", Some(2)));
    assert_eq!(take(&mut plan, 0)[0].label.to_string(), "gzip(a)");
    assert_eq!(plan.dir, std::env::current_dir().expect("known"));
    assert_eq!(each(&["{}"], &[]).tasks[0].name, "each");
}

#[test]
fn items_that_cannot_be_read_end_the_source() {
    let items = [Ok(b"a".to_vec()), Err(io::Error::other("torn"))].into_iter();
    let plan = planner::each(vec!["x".into()], items, None, &Overrides::default()).expect("right");
    let mut instances = plan.tasks.into_iter().next().expect("one").instances;
    assert!(matches!(instances.next(), Some(Ok(_))));
    assert!(matches!(instances.next(), Some(Err(SourceError(why))) if why.contains("torn")));
    let nul = [Ok(b"a\0b".to_vec())].into_iter();
    let plan = planner::each(vec!["x".into()], nul, None, &Overrides::default()).expect("right");
    let mut instances = plan.tasks.into_iter().next().expect("one").instances;
    assert!(matches!(instances.next(), Some(Err(SourceError(why))) if why.contains("NUL")));
}

#[test]
fn what_makes_no_sense_is_refused_all_at_once() {
    let overrides = Overrides {
        workers: Some("0".to_owned()),
        timeout: Some(std::time::Duration::ZERO),
        ..Overrides::default()
    };
    let problems = planner::each(Vec::new(), std::iter::empty(), None, &overrides)
        .err()
        .expect("refused");
    assert_eq!(problems.len(), 3);
    assert_says(&problems.render(false), ["no command", "`0`", "--timeout"]);
}
