//! Values that stand nowhere but in a command's environment: in everything that is told or kept, [`MARK`] is in their
//! place.
//!
//! The values are known before anything is told, because no placeholder of an item may stand in them. They are looked
//! for wherever text comes from outside, since an item, a variable or a command's output may hold the same value. The
//! names of tasks and of keys are taken as they are.

mod file;
mod search;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::event::{Kind, Who};
use crate::text::Text;
use crate::work::Work;

pub use file::as_run;
pub use search::Hider;

/// What stands in the place of a secret.
pub const MARK: &str = "***";

/// A line of a secret that has several counts by itself from this length on: a shorter one could be anything.
const LEAST_LINE: usize = 8;

/// The secret values of a job.
#[derive(Clone, Default)]
pub struct Secrets(Option<Arc<search::Values>>);

impl Secrets {
    /// These values. An empty one hides nothing.
    ///
    /// ```
    /// use pexec_job::secrets::Secrets;
    /// let secrets = Secrets::new([b"hunter2".to_vec()]);
    /// assert_eq!(secrets.hide(b"password=hunter2;").as_ref(), b"password=***;");
    /// ```
    pub fn new(values: impl IntoIterator<Item = Vec<u8>>) -> Secrets {
        let mut all = Vec::new();
        for value in values {
            let trimmed = value.trim_ascii();
            if trimmed.is_empty() {
                continue;
            }
            // A program prints a key of several lines line by line, and a message shows it escaped.
            all.extend(
                trimmed
                    .split(|&byte| byte == b'\n')
                    .map(<[u8]>::trim_ascii)
                    .filter(|line| line.len() >= LEAST_LINE)
                    .map(<[u8]>::to_vec),
            );
            all.push(Text(trimmed.to_vec()).to_string().into_bytes());
            all.push(trimmed.to_vec());
            all.push(value);
        }
        match all.is_empty() {
            true => Secrets(None),
            false => Secrets(Some(Arc::new(search::Values::new(all)))),
        }
    }

    /// There is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How many bytes may belong to a value that begins or ends elsewhere.
    pub fn reach(&self) -> usize {
        self.0.as_ref().map_or(0, |values| values.longest() - 1)
    }

    /// The bytes without the secrets.
    pub fn hide<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        self.hide_from(bytes, 0)
    }

    /// The same for what begins at `from`; what is before may hold the beginning of a value.
    pub fn hide_from<'b>(&self, bytes: &'b [u8], from: usize) -> Cow<'b, [u8]> {
        let plain = || Cow::Borrowed(&bytes[from..]);
        let Some(values) = &self.0 else {
            return plain();
        };
        let mut out = Vec::new();
        match values.cut(bytes, from, bytes.len(), &mut out) {
            true => Cow::Owned(out),
            false => plain(),
        }
    }

    /// For what comes in pieces.
    pub fn hider(&self) -> Hider {
        Hider::new(self.0.clone())
    }

    /// The text without the secrets.
    pub fn hide_text(&self, text: &mut Text) {
        if let Cow::Owned(hidden) = self.hide(text.as_bytes()) {
            text.0 = hidden;
        }
    }

    /// The string without the secrets.
    pub fn hide_string(&self, text: &mut String) {
        if let Cow::Owned(hidden) = self.hide(text.as_bytes()) {
            *text = String::from_utf8_lossy(&hidden).into_owned();
        }
    }

    /// What an attempt does, as it may be told.
    pub fn hide_work(&self, work: &mut Work) {
        if !self.is_empty() {
            work.each_text(&mut |text| self.hide_text(text));
        }
    }

    /// An event as it may be told.
    pub(crate) fn hide_event(&self, kind: &mut Kind) {
        if self.is_empty() {
            return;
        }
        let who = |who: &mut Who| {
            self.hide_text(&mut who.label);
            who.item.iter_mut().for_each(|item| self.hide_text(item));
        };
        match kind {
            Kind::RunStarted { job, dir, .. } => {
                self.hide_string(job);
                self.hide_text(dir);
            }
            Kind::Started { who: it, .. } | Kind::Retried { who: it, .. } => who(it),
            Kind::Finished { who: it, end, .. } => {
                who(it);
                end.why.iter_mut().for_each(|why| self.hide_string(why));
                self.hide_text(&mut end.tail);
            }
            Kind::Blocked { who: it, by } => {
                who(it);
                self.hide_text(by);
            }
            Kind::RunFinished { broken, halted, .. } => {
                broken.iter_mut().for_each(|why| self.hide_string(why));
                halted.iter_mut().for_each(|policy| self.hide_string(policy));
            }
            Kind::Planned { .. } | Kind::Kept { .. } | Kind::Signal { .. } => {}
        }
    }
}

/// Not even for somebody who looks for a fault.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MARK)
    }
}
