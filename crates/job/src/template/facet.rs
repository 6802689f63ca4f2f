//! The parts of an item that is a path, as bytes: nothing is looked up, nothing need exist.

/// What of an item a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Facet {
    /// `{item}`.
    Whole,
    /// `{item.name}`: after the last `/`.
    Name,
    /// `{item.stem}`: the name without its last extension.
    Stem,
    /// `{item.dir}`: before the last `/`; `.` where there is none, so that `{item.dir}/x` always is beside it.
    Dir,
    /// `{item.ext}`: the last extension without its dot; may be empty.
    Ext,
}

impl Facet {
    /// All, by the placeholder's name.
    pub(crate) const ALL: [(&'static str, Facet); 5] = [
        ("item", Facet::Whole),
        ("item.stem", Facet::Stem),
        ("item.name", Facet::Name),
        ("item.dir", Facet::Dir),
        ("item.ext", Facet::Ext),
    ];

    /// That part of an item.
    pub(crate) fn of(self, item: &[u8]) -> &[u8] {
        match self {
            Facet::Whole => item,
            Facet::Name => split(item).1,
            Facet::Stem => extension(split(item).1).0,
            Facet::Dir => split(item).0,
            Facet::Ext => extension(split(item).1).1,
        }
    }
}

/// Directory and name; slashes at the end belong to neither.
fn split(item: &[u8]) -> (&[u8], &[u8]) {
    let path = trimmed(item);
    match path.iter().rposition(|byte| *byte == b'/') {
        // Nothing but slashes: the root is its own directory.
        None if path.is_empty() && !item.is_empty() => (b"/", b""),
        None => (b".", path),
        Some(at) => match trimmed(&path[..at]) {
            [] => (b"/", &path[at + 1..]),
            dir => (dir, &path[at + 1..]),
        },
    }
}

fn trimmed(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
    &path[..end]
}

/// Stem and extension; a name that only begins with a dot has none.
fn extension(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|byte| *byte == b'.') {
        Some(at) if at > 0 && name != b".." => (&name[..at], &name[at + 1..]),
        _ => (name, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_directory_name_stem_and_extension() {
        let table: [(&str, [&str; 4]); 9] = [
            ("sub/a.b.txt", ["sub", "a.b.txt", "a.b", "txt"]),
            ("plain", [".", "plain", "plain", ""]),
            ("/etc/.bashrc", ["/etc", ".bashrc", ".bashrc", ""]),
            ("/top.rs", ["/", "top.rs", "top", "rs"]),
            ("a/b//", ["a", "b", "b", ""]),
            ("/", ["/", "", "", ""]),
            ("", [".", "", "", ""]),
            ("x/..", ["x", "..", "..", ""]),
            ("dot./x.", ["dot.", "x.", "x", ""]),
        ];
        for (item, [dir, name, stem, ext]) in table {
            let part = |facet: Facet| String::from_utf8_lossy(facet.of(item.as_bytes())).into_owned();
            assert_eq!(
                [
                    part(Facet::Dir),
                    part(Facet::Name),
                    part(Facet::Stem),
                    part(Facet::Ext)
                ],
                [dir, name, stem, ext],
                "{item}"
            );
            assert_eq!(part(Facet::Whole), item);
        }
    }
}
