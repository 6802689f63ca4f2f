//! The cgroup of one supervisor, below which those of its commands are.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::leaf::Leaf;
use super::{Unfit, ending, place};

/// The place of a supervisor that had to move.
const SELF: &str = "self";
/// Names that are tried before it is given up: a number may be taken in another namespace.
const NAMES: u32 = 100;
/// More than any process needs that does nothing.
const TRIAL: u64 = 64 << 20;

/// Where [leaves](Leaf) are made. Dropped, it is gone with all of them, and this process is back where it came from.
#[derive(Debug)]
pub struct Base {
    dir: PathBuf,
    /// Held for life, and by nobody else: says that the cgroup is in use.
    _lock: File,
    /// Where this process was before it had to move.
    home: Option<PathBuf>,
}

impl Base {
    /// Makes one where this process is. To be called before it has children: they would have to move too.
    ///
    /// # Errors
    ///
    /// Memory cannot be bounded here, and everything is as it was.
    pub fn here() -> Result<Base, Unfit> {
        let read = |file: &str| fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
        if read("oom_score_adj").trim() == "-1000" {
            return Err(Unfit::Spared);
        }
        let cgroups = read("cgroup");
        let path = place::own_path(&cgroups).ok_or(Unfit::Unseen)?;
        let above = place::directory(&read("mountinfo"), path).ok_or(Unfit::Unseen)?;
        Base::below(above)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    fn below(above: PathBuf) -> Result<Base, Unfit> {
        let controllers = fs::read_to_string(above.join("cgroup.controllers"))
            .map_err(Unfit::refused("nothing can be read from", &above))?;
        if !place::has_memory(&controllers) {
            return Err(Unfit::NoController(above));
        }
        sweep(&above);
        let (dir, lock) = make_locked(&above)?;
        let mut base = Base {
            dir,
            _lock: lock,
            home: None,
        };
        // From here on what was done is undone when the base is dropped.
        if !base.dir.join("cgroup.kill").exists() {
            return Err(Unfit::Lacks("cgroup.kill, which came with Linux 5.14"));
        }
        base.take_memory_from(&above)?;
        hand_on(&base.dir).map_err(Unfit::refused("memory cannot be bounded below", &base.dir))?;
        let trial = Leaf::make(&base.dir, "trial", TRIAL);
        trial.map_err(Unfit::refused("memory cannot be bounded in", &base.dir))?;
        Ok(base)
    }

    /// Sees to it that cgroups right below `above` can have bounds.
    fn take_memory_from(&mut self, above: &Path) -> Result<(), Unfit> {
        let handed_on = fs::read_to_string(above.join("cgroup.subtree_control")).unwrap_or_default();
        if place::has_memory(&handed_on) {
            return Ok(());
        }
        let refused = || Unfit::refused("memory cannot be bounded below", above);
        match hand_on(above) {
            Err(error) if error.raw_os_error() == Some(Errno::EBUSY as i32) => {}
            done => return done.map_err(refused()),
        }
        // Processes are in it: this one, and who else?
        let procs = fs::read_to_string(above.join("cgroup.procs")).map_err(refused())?;
        match place::others(&procs, std::process::id()) {
            None => return Err(Unfit::Unseen),
            Some(0) => {}
            Some(others) => {
                let dir = above.to_owned();
                return Err(Unfit::Shared { dir, others });
            }
        }
        let own = self.dir.join(SELF);
        fs::create_dir(&own).map_err(Unfit::refused("there is no room in", &self.dir))?;
        enter(&own).map_err(Unfit::refused("this process may not enter", &own))?;
        self.home = Some(above.to_owned());
        // If somebody came in meanwhile, it is refused again.
        hand_on(above).map_err(refused())
    }

    /// Back to where this process came from. Nobody else is there, or has made something below: then it would go
    /// without the controller that it counts on.
    fn move_back(&self, home: &Path) -> io::Result<()> {
        let _ = fs::write(self.dir.join("cgroup.subtree_control"), "-memory");
        if ending::below(home).iter().all(|dir| *dir == self.dir) {
            fs::write(home.join("cgroup.subtree_control"), "-memory")?;
        }
        enter(home)
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            // Where that fails this process stays inside, and the cgroup with it; the lock goes with this process.
            let _ = self.move_back(home);
        }
        clear(&self.dir);
    }
}

/// Ends the leaves of a base, and removes it. Of the supervisor's own processes none is left then, and what they may
/// have started on purpose to outlive them, without a bound, goes on: as long as it does, the cgroup stays.
fn clear(base: &Path) {
    for leaf in ending::below(base) {
        if leaf.file_name().is_some_and(|name| name != SELF) {
            let _ = ending::end(&leaf);
        }
    }
    let _ = ending::remove(base);
}

/// Gives the controller to the cgroups below.
fn hand_on(dir: &Path) -> io::Result<()> {
    fs::write(dir.join("cgroup.subtree_control"), "+memory")
}

fn enter(dir: &Path) -> io::Result<()> {
    fs::write(dir.join("cgroup.procs"), "0")
}

/// A cgroup of a new name, locked.
fn make_locked(above: &Path) -> Result<(PathBuf, File), Unfit> {
    let pid = std::process::id();
    let refused = || Unfit::refused("no cgroup can be made in", above);
    for n in 0..NAMES {
        let name = if n == 0 {
            format!("pexec-{pid}")
        } else {
            format!("pexec-{pid}-{n}")
        };
        let dir = above.join(name);
        match fs::create_dir(&dir) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(refused()(error)),
        }
        // Before it was locked, somebody who sweeps may have taken it for one that was left, and removed it.
        let locked = File::open(&dir).and_then(|lock| lock.lock().map(|()| lock));
        if let Ok(lock) = locked
            && is_still(&lock, &dir)
        {
            return Ok((dir, lock));
        }
    }
    Err(refused()(io::ErrorKind::AlreadyExists.into()))
}

/// What was opened is what is there.
fn is_still(opened: &File, dir: &Path) -> bool {
    let inode = |data: io::Result<fs::Metadata>| data.map(|data| data.ino()).ok();
    inode(opened.metadata()).is_some_and(|opened| Some(opened) == inode(fs::metadata(dir)))
}

/// Removes what supervisors that were killed have left.
fn sweep(above: &Path) {
    for dir in ending::below(above) {
        let ours = dir
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(place::is_base);
        let unlocked = ours.then(|| File::open(&dir).ok().filter(|lock| lock.try_lock().is_ok()));
        // Held until it is gone.
        if let Some(Some(_lock)) = unlocked {
            clear(&dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plain directories do for what is only made, locked and removed.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Tree {
            let dir = std::env::temp_dir().join(format!("pexec-cgroups-{name}-{}", std::process::id()));
            fs::create_dir_all(&dir).expect("made");
            Tree(dir)
        }

        fn with(self, paths: &[&str]) -> Tree {
            for path in paths {
                fs::create_dir_all(self.0.join(path)).expect("made");
            }
            self
        }

        fn left(&self) -> Vec<String> {
            let mut names: Vec<String> = ending::below(&self.0)
                .iter()
                .filter_map(|dir| Some(dir.file_name()?.to_str()?.to_owned()))
                .collect();
            names.sort();
            names
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_killed_supervisors_left_is_removed_and_nothing_else() {
        let tree = Tree::new("sweep").with(&[
            "pexec-1/task-a/of/its/own",
            "pexec-1/self",
            "pexec-2-1/task-b",
            "pexec-3/task-c",
            "pexec-4x/task-d",
            "app.scope",
        ]);
        let lock = File::open(tree.0.join("pexec-3")).expect("there");
        lock.lock().expect("ours");
        sweep(&tree.0);
        assert_eq!(tree.left(), ["app.scope", "pexec-3", "pexec-4x"]);
        drop(lock);
        sweep(&tree.0);
        assert_eq!(tree.left(), ["app.scope", "pexec-4x"]);
    }

    #[test]
    fn two_supervisors_with_one_number_have_names_of_their_own() {
        let tree = Tree::new("names");
        let (first, _one) = make_locked(&tree.0).expect("made");
        let (second, _two) = make_locked(&tree.0).expect("made");
        assert_ne!(first, second);
        sweep(&tree.0);
        assert_eq!(tree.left().len(), 2, "both are locked");
        assert!(ending::below(&tree.0).iter().all(|dir| {
            place::is_base(dir.file_name().and_then(|name| name.to_str()).unwrap_or_default())
        }));
    }

    #[test]
    fn without_the_controller_nothing_is_made() {
        let tree = Tree::new("without");
        fs::write(tree.0.join("cgroup.controllers"), "cpu pids\n").expect("written");
        let error = Base::below(tree.0.clone()).expect_err("no memory");
        assert!(matches!(error, Unfit::NoController(_)), "{error}");
        assert!(
            error.to_string().ends_with(" has no memory controller"),
            "{error}"
        );
        assert!(tree.left().is_empty());
    }

    #[test]
    fn a_kernel_that_lacks_a_file_is_told_of_and_nothing_stays() {
        let tree = Tree::new("lacks");
        fs::write(tree.0.join("cgroup.controllers"), "memory\n").expect("written");
        let error = Base::below(tree.0.clone()).expect_err("no cgroup.kill");
        assert!(error.to_string().contains("cgroup.kill"), "{error}");
        assert!(tree.left().is_empty());
    }

    #[test]
    fn a_leaf_that_cannot_have_its_bound_is_not_left() {
        let tree = Tree::new("leaf");
        Leaf::make(&tree.0, "a", 1 << 20).expect_err("no such file");
        assert!(tree.left().is_empty());
    }
}
