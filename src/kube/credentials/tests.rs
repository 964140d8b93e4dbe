use super::*;

/// A directory of this test's own, removed at its end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vipcast-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.0.join("admin.conf");
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn fault(path: &Path) -> String {
    load(path).expect_err("no credentials").to_string().replace(&path.display().to_string(), "FILE")
}

const GOOD: &str = "
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
clusters: [{name: k, cluster: {server: 'https://10.88.0.11:6443'}}]
users: [{name: u, user: {token: SECRET}}]
";

#[test]
fn names_what_is_wrong_with_the_file() {
    let dir = Dir::new("faults");
    assert_eq!(
        fault(&dir.0),
        "read the kubeconfig FILE: it is a directory (kubelet makes one where a hostPath volume without `type: File` \
         is absent); remove it and put the file there"
    );
    assert_eq!(
        fault(&dir.file(" \n")),
        "read the kubeconfig FILE: it is empty; write it, for kubeadm /etc/kubernetes/admin.conf"
    );
    let context = GOOD.replace("current-context: c", "current-context: other");
    assert_eq!(fault(&dir.file(&context)), "use the kubeconfig FILE: failed to load current context: other");
}

#[test]
fn never_quotes_the_file() {
    let dir = Dir::new("secret");
    let broken = GOOD.replace("token: SECRET", "token: [SECRET");
    assert_eq!(fault(&dir.file(&broken)), "use the kubeconfig FILE: it is not the YAML of a kubeconfig");
}

#[test]
fn an_absent_file_means_the_service_account() {
    let dir = Dir::new("absent");
    let path = dir.0.join("none");
    assert!(matches!(load(&path), Err(CredentialsError::Nothing { path: named, .. }) if named == path));
}

#[test]
fn what_may_do_everything_lies_beside_the_file() {
    let dir = Dir::new("super");
    let path = dir.file(GOOD);
    assert!(load_super_admin(&path).is_none());
    std::fs::write(dir.0.join("super-admin.conf"), GOOD.replace("SECRET", "SUPER")).unwrap();
    let all = load_super_admin(&path).unwrap().unwrap();
    assert_ne!(all.fingerprint, load(&path).unwrap().fingerprint);
    assert!(load_super_admin(&dir.0.join("super-admin.conf")).is_none());
}

#[test]
fn the_fingerprint_follows_the_file() {
    let dir = Dir::new("fingerprint");
    let first = load(&dir.file(GOOD)).unwrap();
    let same = load(&dir.file(GOOD)).unwrap();
    let other = load(&dir.file(&GOOD.replace("SECRET", "RENEWED"))).unwrap();
    assert_eq!(first.config.cluster_url, "https://10.88.0.11:6443/");
    assert_eq!((first.fingerprint == same.fingerprint, first.fingerprint == other.fingerprint), (true, false));
}
