//! `tasks`: the functions that job files can call.

use pexec::named::{self, NamedTask};
use serde_json::{Value, json};

use crate::answer;
use crate::cli::{Tasks, TasksFormat};
use crate::exit::Exit;
use crate::speech::{complain, name};

/// Lists them on standard output.
pub(crate) fn tasks(args: &Tasks) -> Exit {
    let tasks = named::tasks();
    let text = match args.format {
        TasksFormat::Text => tasks.iter().map(|task| told(task)).collect(),
        TasksFormat::Json => {
            let list: Vec<Value> = tasks.iter().map(|task| described(task)).collect();
            format!("{:#}\n", Value::Array(list))
        }
    };
    if tasks.is_empty() {
        complain(&format!(
            "{} has no functions that a job file can call: they are registered with #[pexec::task] in a program of \
             your own",
            name()
        ));
    }
    answer::print(text.as_bytes())
}

fn told(task: &NamedTask) -> String {
    let doc = match task.doc() {
        "" => String::new(),
        doc => format!("    {doc}\n"),
    };
    format!("{}\n{doc}", task.signature())
}

fn described(task: &NamedTask) -> Value {
    let parameters: Vec<Value> = task
        .parameters()
        .iter()
        .map(|parameter| {
            json!({
                "name": parameter.name(),
                "type": parameter.type_name(),
                "optional": parameter.is_optional(),
            })
        })
        .collect();
    let (file, line) = task.place();
    json!({
        "name": task.name(),
        "doc": task.doc(),
        "parameters": parameters,
        "result": task.result(),
        "file": file,
        "line": line,
    })
}
