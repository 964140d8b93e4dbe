use super::*;

fn metal(api: &str) -> Metal {
    let (project, device) = (MetalProject::Id("p".to_owned()), MetalDevice::Id("d".to_owned()));
    Metal::new(MetalConfig { api: api.to_owned(), token: "t0ken".into(), project, device, authority: None })
}

#[tokio::test]
async fn nothing_is_removed_by_what_is_no_id() {
    // Nobody is asked: no connection would be refused in these words.
    for id in ["", "../projects/p"] {
        let fault = metal("http://127.0.0.1:1").detach(id).await.unwrap_err();
        assert_eq!(fault, Fault::lasting(&format!("remove the assignment {id}"), "that is no ID"));
    }
}
