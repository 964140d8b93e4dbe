//! A file that is followed by its content.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretSlice};

/// More than any configuration has: of a longer file only so much is compared.
const LIMIT: u64 = 4 << 20;

/// A file, what it had when it was last looked at, and what was last taken up. A mounted ConfigMap is a chain of links
/// of which the kubelet changes one in the middle, and editors write files in several steps: so it is the content that
/// is compared, and one counts when it is found twice.
#[derive(Debug)]
pub(super) struct Watched {
    path: PathBuf,
    last: Content,
    taken_up: Content,
}

/// A file's content, which may have passwords; `None`: it cannot be read.
type Content = Option<SecretSlice<u8>>;

impl Watched {
    /// The file as it is now, which counts as taken up.
    pub(super) fn new(path: PathBuf) -> Self {
        let content = read(&path);
        Self { path, last: content.clone(), taken_up: content }
    }

    /// Looks at it; whether it has other content than was taken up, for the second time. Then it counts as taken up.
    pub(super) fn has_changed(&mut self) -> bool {
        let now = read(&self.path);
        let is_settled = is_same(&now, &self.last);
        self.last = now;
        let is_news = is_settled && !is_same(&self.last, &self.taken_up);
        if is_news {
            self.taken_up.clone_from(&self.last);
        }
        is_news
    }

    /// What is there now is taken up, whoever asked for it.
    pub(super) fn take_up(&mut self) {
        self.last = read(&self.path);
        self.taken_up.clone_from(&self.last);
    }
}

fn read(path: &Path) -> Content {
    let mut content = Vec::new();
    File::open(path).and_then(|file| file.take(LIMIT).read_to_end(&mut content)).ok()?;
    Some(content.into())
}

fn is_same(one: &Content, other: &Content) -> bool {
    one.as_ref().map(ExposeSecret::expose_secret) == other.as_ref().map(ExposeSecret::expose_secret)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn content_counts_when_it_is_found_twice_and_the_same_again_is_no_change() {
        let dir = std::env::temp_dir().join(format!("vipcast-live-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        // What a kubelet does: new content in a directory of its own, a link to it that is swapped.
        let mount = |generation: &str, content: &str| {
            fs::create_dir(dir.join(generation)).unwrap();
            fs::write(dir.join(generation).join("vipcast.yaml"), content).unwrap();
            symlink(generation, dir.join("..data_tmp")).unwrap();
            fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
        };
        mount("..1", "a");
        symlink("..data/vipcast.yaml", dir.join("vipcast.yaml")).unwrap();
        let mut file = Watched::new(dir.join("vipcast.yaml"));
        assert_eq!([file.has_changed(), file.has_changed()], [false, false]);
        mount("..2", "b");
        assert_eq!([file.has_changed(), file.has_changed(), file.has_changed()], [false, true, false]);
        mount("..3", "b");
        assert_eq!([file.has_changed(), file.has_changed()], [false, false]);
        // Written in two steps.
        mount("..4", "");
        assert!(!file.has_changed());
        mount("..5", "b");
        assert_eq!([file.has_changed(), file.has_changed()], [false, false]);
        fs::remove_file(dir.join("..data")).unwrap();
        assert_eq!([file.has_changed(), file.has_changed(), file.has_changed()], [false, true, false]);
        mount("..6", "c");
        file.take_up();
        assert_eq!([file.has_changed(), file.has_changed()], [false, false]);
        fs::remove_dir_all(&dir).unwrap();
    }
}
