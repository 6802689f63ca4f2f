//! The places in the code that workers tell of, as `tracing` wants them: for all time.
//!
//! They are the places of this very program, so there are only so many, and each is made once, however many workers tell
//! of it. A worker that makes some up comes to the bound. With real places, with target, level, names of fields, file and
//! line, every filter and layer sees what it would see if the task ran here.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use pexec_proto::trace;
use tracing::metadata::Kind;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata};
use tracing_core::callsite::{self, Callsite, Identifier};
use tracing_core::field::FieldSet;

/// How many there may be, and how many bytes each may have.
const MOST: usize = 10_000;
const LARGEST: usize = 4 << 10;

/// How many fields a subscriber can be shown.
pub(super) const FIELDS: usize = 32;

/// What events get beyond their own fields.
pub(super) const WORKER: &str = "worker";
pub(super) const TASK: &str = "task";
pub(super) const LABEL: &str = "label";

pub(super) struct Site {
    meta: OnceLock<Metadata<'static>>,
    own_fields: usize,
}

impl Site {
    fn new(own_fields: usize) -> Site {
        Site {
            meta: OnceLock::new(),
            own_fields,
        }
    }

    /// How many of its fields are those of the worker's code; the others were added.
    pub(super) fn own_fields(&self) -> usize {
        self.own_fields
    }

    pub(super) fn meta(&'static self) -> &'static Metadata<'static> {
        self.meta.get_or_init(|| {
            Metadata::new(
                "unknown",
                "pexec",
                Level::TRACE,
                None,
                None,
                None,
                FieldSet::new(&[], Identifier(self)),
                Kind::EVENT,
            )
        })
    }
}

impl Callsite for Site {
    fn set_interest(&self, _: Interest) {
        // Asked for each time: a record costs more than that anyway.
    }

    fn metadata(&self) -> &Metadata<'_> {
        static NONE: LazyLock<Site> = LazyLock::new(|| Site::new(0));
        self.meta.get().unwrap_or_else(|| NONE.meta())
    }
}

/// The one for this site; `None`: there are too many, or it is none.
pub(super) fn intern(told: trace::Site) -> Option<&'static Site> {
    static SITES: LazyLock<Mutex<HashMap<trace::Site, &'static Site>>> = LazyLock::new(Mutex::default);
    let size = [
        Some(&told.name),
        Some(&told.target),
        told.module.as_ref(),
        told.file.as_ref(),
    ];
    let size = size.into_iter().flatten().chain(&told.fields).map(String::len);
    if size.sum::<usize>() > LARGEST || told.fields.len() > FIELDS {
        return None;
    }
    let level = match told.level {
        1 => Level::ERROR,
        2 => Level::WARN,
        3 => Level::INFO,
        4 => Level::DEBUG,
        5 => Level::TRACE,
        _ => return None,
    };
    let mut sites = SITES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(site) = sites.get(&told) {
        return Some(site);
    }
    if sites.len() >= MOST {
        return None;
    }
    let site: &'static Site = Box::leak(Box::new(Site::new(told.fields.len())));
    site.meta.get_or_init(|| meta(&told, level, site));
    sites.insert(told, site);
    drop(sites);
    // Subscribers are asked, which may take their time.
    callsite::register(site);
    Some(site)
}

fn meta(told: &trace::Site, level: Level, site: &'static Site) -> Metadata<'static> {
    let mut fields: Vec<&'static str> = told.fields.iter().map(|name| forever(name)).collect();
    if !told.span {
        let own = fields.len();
        for name in [WORKER, TASK, LABEL] {
            if fields.len() < FIELDS && !fields[..own].contains(&name) {
                fields.push(name);
            }
        }
    }
    Metadata::new(
        forever(&told.name),
        forever(&told.target),
        level,
        told.file.as_deref().map(forever),
        told.line,
        told.module.as_deref().map(forever),
        FieldSet::new(Vec::leak(fields), Identifier(site)),
        if told.span { Kind::SPAN } else { Kind::EVENT },
    )
}

fn forever(text: &str) -> &'static str {
    Box::leak(text.into())
}
