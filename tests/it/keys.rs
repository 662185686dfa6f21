//! `hubbub keys`: key pairs as files (design section 5).

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use tempfile::TempDir;

use crate::harness::Program;

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/salmon/keys").join(name).display().to_string()
}

#[tokio::test]
async fn x07_a_new_key_is_for_its_owner_alone_and_shows_its_public_half() {
    let folder = TempDir::new().unwrap();
    let made = Program::run(folder.path(), &["keys", "new", "alice.pem"]).await.expect(0);
    let file = folder.path().join("alice.pem");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let shown = Program::run(folder.path(), &["keys", "show", "alice.pem"]).await.expect(0);
    assert_eq!(shown.stdout, made.stdout);
    assert!(shown.stdout.starts_with("bits 2048\n"), "{}", shown.stdout);
    assert!(!shown.stdout.contains("PRIVATE"), "{}", shown.stdout);

    let again = Program::run(folder.path(), &["keys", "new", "alice.pem"]).await.expect(1);
    assert!(again.stderr.contains("alice.pem"), "{}", again.stderr);
    let kept = Program::run(folder.path(), &["keys", "show", "alice.pem"]).await.expect(0);
    assert_eq!(kept.stdout, made.stdout, "a key that is there is never written over");
}

#[tokio::test]
async fn the_key_of_a_site_is_taken_over() {
    let folder = TempDir::new().unwrap();
    for name in ["gnusocial-1024", "mastodon-2048"] {
        let from = fixture(&format!("{name}.keypair"));
        let pem = format!("{name}.pem");
        let taken = Program::run(folder.path(), &["keys", "import", "--from", &from, &pem]).await.expect(0);
        let public = fs::read_to_string(fixture(&format!("{name}.magic"))).unwrap();
        let link = format!(
            "link rel=\"magic-public-key\" href=\"data:application/magic-public-key,{}\"",
            public.trim()
        );
        assert!(taken.stdout.lines().any(|line| line == link), "{}", taken.stdout);
        let copied =
            Program::run(folder.path(), &["keys", "import", "--from", &pem, "copy.pem"]).await.expect(0);
        assert_eq!(copied.stdout, taken.stdout);
        fs::remove_file(folder.path().join("copy.pem")).unwrap();
    }
    for (name, why) in
        [("friendica-512.keypair", "512 bits"), ("go-2048.public.pem", "public key"), ("none", "read")]
    {
        let refused = Program::run(folder.path(), &["keys", "import", "--from", &fixture(name), "b.pem"])
            .await
            .expect(1);
        assert!(refused.stderr.contains(why) && refused.stderr.contains(name), "{}", refused.stderr);
        assert!(!folder.path().join("b.pem").try_exists().unwrap());
    }
}
