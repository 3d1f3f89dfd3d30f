//! Bounds, and the start.

use super::*;

#[tokio::test]
async fn a_shell_that_takes_no_events_can_still_hand_over_commands() {
    let lane = lane(1, &[1, 2]);
    let a = Node::quic(1).await;
    let membership = Membership { grants: vec![a.grant(true)], lanes: vec![lane.clone()] };
    let mut deaf = start(config(2, QUIC), membership).await.unwrap();
    a.joins(vec![grant(2, true, &deaf.listening)], vec![lane.clone()]).await;
    a.see(1, |e| matches!(e, MeshEvent::Linked { .. })).await;
    for n in 0..400_u16 {
        a.publish(Topic::Lane(lane.id), n.to_be_bytes()).await;
    }
    for _ in 0..2_000 {
        let publish =
            MeshCommand::Publish { topic: Topic::Beacon, bytes: Bytes::from_static(b"beacon") };
        timeout(PATIENCE, deaf.handle.send(publish)).await.unwrap().unwrap();
    }
    let mut heard = 0;
    while heard < 400 {
        let event = timeout(PATIENCE, deaf.events.recv()).await.unwrap().unwrap();
        heard += usize::from(matches!(event, MeshEvent::Heard { .. }));
    }
}

#[tokio::test]
async fn the_task_ends_with_its_last_handle() {
    let Mesh { handle, mut events, .. } =
        start(config(1, QUIC), Membership::default()).await.unwrap();
    drop(handle);
    while timeout(PATIENCE, events.recv()).await.unwrap().is_some() {}
}

#[tokio::test]
async fn addresses_that_cannot_be_used_are_named() {
    let bad = start(config(1, "127.0.0.1:4001"), Membership::default()).await.unwrap_err();
    assert!(matches!(&bad, MeshError::BadAddress { address, .. } if address == "127.0.0.1:4001"));
    for transport in [TCP, QUIC] {
        let taken = Node::start(config(1, transport), Membership::default()).await;
        let error = start(config(2, &taken.listening[0]), Membership::default()).await;
        assert!(matches!(&error, Err(MeshError::Listen { .. })), "{error:?}");
    }
    let unknown = start(config(3, "/memory/1"), Membership::default()).await.unwrap_err();
    assert!(matches!(&unknown, MeshError::Listen { .. }), "{unknown}");
}

/// Not a test by itself: run below in a process of its own, with and without the variable.
#[tokio::test]
#[ignore = "run by `session_keys_are_never_written_to_a_file`"]
async fn starts_only_without_a_key_log() {
    let refused = start(config(1, QUIC), Membership::default()).await.map(|_| ());
    let set = std::env::var_os("SSLKEYLOGFILE").is_some();
    assert_eq!(matches!(refused, Err(MeshError::KeyLog)), set);
}

#[test]
fn session_keys_are_never_written_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    for variable in [None, Some(file.as_os_str()), Some(OsStr::new(""))] {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--ignored", "--exact", "mesh::tests::limits::starts_only_without_a_key_log"]);
        child.env_remove("SSLKEYLOGFILE").envs(variable.map(|value| ("SSLKEYLOGFILE", value)));
        let output = child.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
    assert!(!file.exists());
}
