//! The instances of a task: its rows times the combinations of its matrix, made as they are asked for.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::call::CallRecipe;
use super::files::FilesRecipe;
use super::product::Product;
use crate::command::{Command, KillStep, Stdin};
use crate::limits::Limits;
use crate::plan::{Instance, SourceError};
use crate::source::Rows;
use crate::template::bind::{Bound, Row};
use crate::text::Text;
use crate::work::Work;

/// Everything of an instance but the row: shared by all instances of a task.
#[derive(Debug)]
pub(super) enum Form {
    Command(Recipe),
    Call(CallRecipe),
}

impl Form {
    fn work(&self, row: &Row, attempt: u32) -> Work {
        match self {
            Form::Command(recipe) => Work::Command(recipe.command(row, attempt)),
            Form::Call(recipe) => Work::Call(recipe.call(row, attempt)),
        }
    }
}

/// A command, not yet substituted.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) argv: Vec<Bound>,
    pub(super) env: Vec<(Text, Bound)>,
    pub(super) env_clear: bool,
    /// Absolute.
    pub(super) dir: PathBuf,
    pub(super) cwd: Option<Bound>,
    pub(super) stdin: Feed,
    pub(super) stdout: Option<Bound>,
    pub(super) stderr: Option<Bound>,
    pub(super) timeout: Option<Duration>,
    pub(super) kill: Vec<KillStep>,
    pub(super) ok_exit: Vec<i32>,
    pub(super) limits: Limits,
}

/// Standard input, not yet substituted.
#[derive(Debug)]
pub(super) enum Feed {
    Empty,
    File(Bound),
    Text(Bound),
}

/// How instances are called.
#[derive(Debug)]
pub(super) enum Label {
    /// As the job file says.
    Written(Bound),
    /// `task`, `task(item)`, `task(key=value,..)` or `task(item,key=value,..)`.
    Usual { task: String, keys: Vec<String> },
}

impl Recipe {
    fn command(&self, row: &Row, attempt: u32) -> Command {
        let path = |bound: &Bound| absolute(&self.dir, bound.render(row, attempt));
        Command {
            argv: self.argv.iter().map(|word| word.render(row, attempt)).collect(),
            env: self
                .env
                .iter()
                .map(|(name, value)| (name.clone(), value.render(row, attempt)))
                .collect(),
            env_clear: self.env_clear,
            cwd: match &self.cwd {
                Some(cwd) => path(cwd),
                None => Text(self.dir.as_os_str().as_bytes().to_vec()),
            },
            stdin: match &self.stdin {
                Feed::Empty => Stdin::Empty,
                Feed::File(file) => Stdin::File(path(file)),
                Feed::Text(text) => Stdin::Text(text.render(row, attempt)),
            },
            stdout: self.stdout.as_ref().map(path),
            stderr: self.stderr.as_ref().map(path),
            timeout: self.timeout,
            kill: self.kill.clone(),
            ok_exit: self.ok_exit.clone(),
            limits: self.limits,
        }
    }
}

impl Label {
    fn render(&self, row: &Row) -> Text {
        let (task, keys) = match self {
            Label::Written(bound) => return bound.render(row, 1),
            Label::Usual { task, keys } => (task, keys),
        };
        let item = row.item.iter().map(|item| item.as_bytes().to_vec());
        let values = keys.iter().zip(&row.keys).map(|(key, value)| {
            let mut text = format!("{key}=").into_bytes();
            text.extend_from_slice(value.as_bytes());
            text
        });
        let parts: Vec<Vec<u8>> = item.chain(values).collect();
        let mut label = task.as_bytes().to_vec();
        if !parts.is_empty() {
            label.push(b'(');
            label.extend_from_slice(&parts.join(b",".as_slice()));
            label.push(b')');
        }
        Text(label)
    }
}

pub(super) fn absolute(dir: &Path, path: Text) -> Text {
    // `join` takes an absolute path as it is.
    Text(dir.join(path.as_os_str()).into_os_string().as_bytes().to_vec())
}

/// The instances, in source order; for each row all combinations.
pub(super) fn instances(
    rows: Rows,
    product: Product,
    form: Arc<Form>,
    label: Arc<Label>,
    files: Option<Arc<FilesRecipe>>,
    first: u64,
) -> impl Iterator<Item = Result<Instance, SourceError>> + Send {
    let mut rows = rows;
    let mut row: Option<Row> = None;
    let mut combination = 0;
    let mut index = first;
    std::iter::from_fn(move || {
        if row.is_none() {
            match rows.next()? {
                // Rows that no combination uses are not read to their end.
                Ok(_) if product.len() == 0 => return None,
                Ok(next) => row = Some(next),
                Err(error) => return Some(Err(error)),
            }
            combination = 0;
        }
        let mut this = row.clone()?;
        this.keys = product.get(combination);
        this.index = index;
        index += 1;
        combination += 1;
        if combination == product.len() {
            row = None;
        }
        let form = Arc::clone(&form);
        Some(Ok(Instance {
            index: this.index,
            item: this.item.clone(),
            keys: this.keys.clone(),
            label: label.render(&this),
            files: files.as_ref().map(|files| Box::new(files.files(&this))),
            work: Box::new(move |attempt| form.work(&this, attempt)),
        }))
    })
}
