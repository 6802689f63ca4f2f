//! What `show` tells, for programs: one object, with a line for each instance. Keys are those of the event stream, and
//! like those they are never removed and never change their meaning; a key is left out where there is nothing to say.

use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use pexec_job::command::{Command, Stdin};
use pexec_job::event::Ended;
use pexec_job::planner::Recalled;
use pexec_job::record::Record;
use pexec_job::work::Work;
use serde_json::{Map, Value, json};

use crate::answer::text;
use crate::past::{Attempt, Head, Told};
use crate::typed;

/// Writes the run's head and these of its instances.
pub(super) fn write(record: &Record, head: &Head, told: &[Told], out: &mut dyn Write) -> io::Result<()> {
    let mut run = super::super::runs::head(record, head).to_string();
    // The head's own brace is closed behind the instances.
    run.pop();
    write!(out, "{run},\"dir\":{},\"instances\":[", text(&head.dir))?;
    let dir = Path::new(head.dir.as_os_str());
    let mut recalled = Recalled::new(record.job_paths(), record.id(), dir);
    for (at, one) in told.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        write!(out, "{comma}\n{}", instance(one, recalled.work(&one.who)))?;
    }
    writeln!(out, "\n]}}")
}

/// Keys and values, without those that have nothing to say.
struct Object(Map<String, Value>);

impl Object {
    fn new() -> Object {
        Object(Map::new())
    }

    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    fn some<T: Into<Value>>(&mut self, key: &str, value: Option<T>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }
}

fn instance(one: &Told, work: Option<Work>) -> Value {
    let mut object = Object::new();
    let (end, _) = one.end();
    object.put("id", one.who.id.as_str());
    object.put("task", one.who.task.as_str());
    object.put("index", one.who.index);
    object.put("label", text(&one.who.label));
    object.some("item", one.who.item.as_ref().map(text));
    object.some("key", one.who.key.map(|key| key.hex()));
    object.put("end", end);
    object.some("blocked_by", one.blocked_by.as_ref().map(text));
    match &work {
        Some(Work::Command(it)) => command(it, &mut object),
        Some(Work::Call(call)) => object.put("call", typed::call(call)),
        None => {}
    }
    object.put("attempts", one.attempts.iter().map(attempt).collect::<Value>());
    Value::Object(object.0)
}

fn command(command: &Command, object: &mut Object) {
    object.put("command", command.argv.iter().map(text).collect::<Value>());
    object.put("cwd", text(&command.cwd));
    if !command.env.is_empty() {
        let pairs = command
            .env
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)));
        object.put("env", pairs.collect::<Value>());
    }
    match &command.stdin {
        Stdin::Empty => {}
        Stdin::File(path) => object.put("stdin", json!({ "file": text(path) })),
        Stdin::Text(it) => object.put("stdin", json!({ "text": text(it) })),
    }
}

fn attempt(attempt: &Attempt) -> Value {
    let mut object = Object::new();
    object.put("attempt", attempt.number);
    object.some("began", attempt.began.map(|at: Timestamp| at.to_string()));
    object.some("pid", attempt.pid);
    object.some("worker", attempt.worker);
    if let Some(end) = &attempt.ended {
        ended(end, &mut object);
    }
    Value::Object(object.0)
}

fn ended(end: &Ended, object: &mut Object) {
    let micros = |d: std::time::Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
    let flag = |set: bool| set.then_some(true);
    object.put("outcome", end.outcome.as_str());
    object.some("exit", end.exit);
    object.some("signal", end.signal);
    object.some("why", end.why.as_deref());
    object.some("retry", flag(end.retry));
    object.some("leaky", flag(end.leaky));
    object.put("wall_us", micros(end.wall));
    object.put("user_us", micros(end.user));
    object.put("system_us", micros(end.system));
    object.put("peak_rss", end.peak_rss);
    object.put("stdout", end.stdout);
    object.put("stderr", end.stderr);
    object.some("tail", (!end.tail.as_bytes().is_empty()).then(|| text(&end.tail)));
    object.some("memory_by", end.memory_by.map(|by| by.as_str()));
    object.some("output_at", end.output_at);
    object.some("content", end.content.as_deref());
}
