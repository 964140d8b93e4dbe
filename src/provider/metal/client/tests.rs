use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

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

/// An API that answers each path with this status and body, else 404; its address.
async fn api(answers: &'static [(&'static str, u16, &'static str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let mut request = String::new();
            while !request.ends_with("\r\n\r\n") && stream.read_line(&mut request).await.unwrap() > 0 {}
            let path = request.split([' ', '?']).nth(1).unwrap();
            let found = answers.iter().find(|(known, ..)| *known == path);
            let (status, body) = found.map_or((404, ""), |(_, status, body)| (*status, *body));
            let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all((head + body).as_bytes()).await.unwrap();
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_trouble_of_its_address_alone() {
    const ANSWERS: &[(&str, u16, &str)] = &[
        (
            "/projects/p/ips",
            200,
            r#"{"ip_addresses": [
                {"id": "r-1", "address": "192.0.2.1", "assignments": [{"href": "/ips/a"}]},
                {"id": "r-2", "network": "192.0.2.2", "cidr": 31, "assignments": [{"href": "/ips/a"}, {"href": "/ips/b"}]}
            ]}"#,
        ),
        ("/ips/a", 500, ""),
        ("/ips/b", 200, r#"{"id": "b", "address": "192.0.2.2", "assigned_to": {"href": "/devices/d"}}"#),
    ];
    let [one, two, three] = [1, 2, 3].map(|last| IpAddr::from([192, 0, 2, last]));
    let found = metal(&api(ANSWERS).await).assignments(&[one, two, three]).await.unwrap();
    let unread = || Err("look up the assignment a: the API has a fault (500)".to_owned());
    let b = Assignment { id: "b".to_owned(), device: "d".to_owned() };
    assert_eq!(found, Assignments::from([(one, unread()), (two, Ok(Some(b))), (three, unread())]));
}
