//! `[groups]`: how many instances of some tasks run at once, together.

use toml::de::DeTable;

use super::keys::Keys;
use super::reader::{Reader, Table};
use crate::plan::Group;
use crate::problem::{Problem, quoted};

/// In the order of the file. One whose limit is wrong is kept, so that tasks may name it.
pub(super) fn read(reader: &mut Reader<'_>, groups: &DeTable<'_>) -> Vec<Group> {
    let mut read = Vec::new();
    for (name, span, value) in Table::in_file_order(groups).entries() {
        let Some(table) = reader.table(value) else {
            continue;
        };
        let whose = format!("group {}", quoted(name));
        let table = reader.known(table, &Keys::GROUP, &whose);
        let limit = match table.get("limit") {
            Some(value) => reader.integer(value, 1, i64::from(u32::MAX)),
            None => {
                let title = format!("{whose} has no `limit`");
                let help = "write `limit = 4` for at most four at once";
                reader
                    .findings
                    .add(Problem::at(span.clone(), title).help(help).absence());
                None
            }
        };
        read.push(Group {
            name: name.to_owned(),
            limit: limit.unwrap_or(1).unsigned_abs(),
        });
    }
    read
}
