//! Short file names: what is left of a path when the folders that lead to its package are taken away.

use std::path::{Path, PathBuf};

use py_spy_target::{RootFolder, Target};
use rustc_hash::FxHashMap;

/// Folders that are looked through for one name.
const MAX_FOLDERS: usize = 64;

/// Short file names, each found once: `/usr/lib/python3/asyncio/events.py` is `asyncio/events.py`, because `asyncio` has
/// an `__init__.py` and the folder above it has none.
#[derive(Debug, Default)]
pub(crate) struct FileNames {
    /// The process, when its root is not our own. Its folders are not kept open: it could not unmount them.
    foreign: Option<u32>,
    /// The process's working folder as we can open it, when its root is our own; relative names count from there.
    working: PathBuf,
    short: FxHashMap<String, String>,
    packages: FxHashMap<PathBuf, bool>,
}

impl FileNames {
    pub(crate) fn of(target: &Target) -> FileNames {
        let foreign = (!target.same_root()).then_some(target.pid);
        FileNames { foreign, working: target.working_folder(), ..FileNames::default() }
    }

    /// The short form of a file name.
    pub(crate) fn short(&mut self, name: &str) -> &str {
        if !self.short.contains_key(name) {
            let short = self.shorten(name).unwrap_or(name).to_owned();
            self.short.insert(name.to_owned(), short);
        }
        &self.short[name]
    }

    fn shorten<'a>(&mut self, name: &'a str) -> Option<&'a str> {
        // Not a path: `<string>`, `<frozen importlib._bootstrap>`.
        if name.starts_with('<') {
            return None;
        }
        let mut folder = Path::new(name).parent()?;
        for _ in 0..MAX_FOLDERS {
            if folder.as_os_str().is_empty() || !self.is_package(folder) {
                break;
            }
            folder = folder.parent()?;
        }
        let folder = folder.to_str()?;
        name.strip_prefix(folder).map(|rest| rest.trim_start_matches('/')).filter(|rest| !rest.is_empty())
    }

    fn is_package(&mut self, folder: &Path) -> bool {
        if let Some(&known) = self.packages.get(folder) {
            return known;
        }
        let file = folder.join("__init__.py");
        let is = match self.foreign {
            Some(pid) => RootFolder::of(pid).is_ok_and(|folders| folders.has_file(&file)),
            // An absolute name stays what it is.
            None => self.working.join(file).exists(),
        };
        self.packages.insert(folder.to_owned(), is);
        is
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_begins_at_its_outermost_package() {
        let folder = std::env::temp_dir().join(format!("py-spy-file-names-{}", std::process::id()));
        let inner = folder.join("top/inner");
        std::fs::create_dir_all(&inner).expect("a folder");
        for place in ["top", "top/inner"] {
            std::fs::write(folder.join(place).join("__init__.py"), "").expect("a file");
        }
        let mut files = FileNames { working: folder.clone(), ..FileNames::default() };
        let path = |rest: &str| folder.join(rest).to_str().expect("UTF-8").to_owned();
        assert_eq!(files.short(&path("top/inner/a.py")), "top/inner/a.py");
        assert_eq!(files.short(&path("top/b.py")), "top/b.py");
        assert_eq!(files.short(&path("c.py")), "c.py");
        assert_eq!(files.short("top/inner/a.py"), "top/inner/a.py");
        assert_eq!(files.short("elsewhere/d.py"), "d.py");
        for same in ["<string>", "<frozen importlib._bootstrap>", "e.py", "", "/"] {
            assert_eq!(files.short(same), same);
        }
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
