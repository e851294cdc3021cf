//! A small S3 client over plain sockets, written from the protocol's documentation.
//!
//! It shares no code with the product, so a mistake cannot hide by being made on both sides; and
//! it can do what no ready client can: stop in the middle of an upload, read slowly, stream an
//! object that fits no memory. One connection per request, payloads unsigned.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use libtest_mimic::Failed;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// Seconds without a byte after which a request counts as failed.
const SILENCE_TIMEOUT_S: u64 = 60;
/// What S3 leaves unencoded in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
/// What S3 leaves unencoded in a path.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// A gateway and the credentials to use there.
#[derive(Clone, Debug)]
pub struct S3 {
    port: u16,
    access_key: String,
    secret_key: String,
    region: String,
    silence_timeout: Duration,
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The text of the first XML element `name`.
    pub fn element(&self, name: &str) -> Option<String> {
        elements(&self.text(), name).into_iter().next()
    }

    /// The answer when its status is `status`.
    ///
    /// # Errors
    /// The whole answer, when its status is another.
    pub fn expect(self, status: u16) -> Result<Self, Failed> {
        if self.status == status {
            return Ok(self);
        }
        Err(format!(
            "status {} instead of {status}: {}",
            self.status,
            self.text()
        )
        .into())
    }
}

/// The texts of all XML elements `name`, which must hold no attributes.
pub fn elements(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open)
        .skip(1)
        .filter_map(|rest| rest.split_once(&close))
        .map(|(text, _)| text.to_owned())
        .collect()
}

/// One request, to be sent whole or bit by bit.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    method: &'a str,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    size_bytes: u64,
}

impl<'a> Request<'a> {
    /// A request for `path`, which is `/bucket/key` as the user thinks of it: not encoded.
    pub fn new(method: &'a str, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            size_bytes: 0,
        }
    }

    /// Adds a query parameter.
    pub fn query(mut self, name: &str, value: impl ToString) -> Self {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a header; its name in lower case.
    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// Sets the length of the body.
    pub fn size_bytes(mut self, size_bytes: u64) -> Self {
        self.size_bytes = size_bytes;
        self
    }
}

/// A request of which some body bytes may still be due.
#[derive(Debug)]
pub struct Exchange {
    connection: TcpStream,
    head_only: bool,
}

impl Exchange {
    /// Sends body bytes.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.connection.write_all(bytes)
    }

    /// Waits for the answer and gives its body to `consume`, slice by slice.
    ///
    /// # Errors
    /// When the connection is lost or the answer is cut short.
    pub fn finish_into(self, consume: &mut dyn FnMut(&[u8])) -> Result<Answer, Failed> {
        let mut reader = BufReader::with_capacity(256 << 10, self.connection);
        let (status, headers) = loop {
            let (status, headers) = read_head(&mut reader)?;
            if status != 100 {
                break (status, headers);
            }
        };
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        if self.head_only || matches!(status, 204 | 304) {
            return Ok(answer);
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            read_chunked(&mut reader, consume)?;
        } else {
            let length = answer.header("content-length").ok_or("no length")?;
            let length: u64 = length.parse()?;
            copy_exactly(&mut reader, length, &mut |bytes| {
                if status < 300 {
                    consume(bytes);
                } else {
                    answer.body.extend_from_slice(bytes);
                }
            })?;
        }
        Ok(answer)
    }

    /// Waits for the answer, read whole.
    ///
    /// # Errors
    /// When the connection is lost or the answer is cut short.
    pub fn finish(self) -> Result<Answer, Failed> {
        let mut body = Vec::new();
        let mut answer = self.finish_into(&mut |bytes| body.extend_from_slice(bytes))?;
        if answer.body.is_empty() {
            answer.body = body;
        }
        Ok(answer)
    }
}

fn read_head(reader: &mut impl BufRead) -> Result<(u16, Vec<(String, String)>), Failed> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line
        .split(' ')
        .nth(1)
        .ok_or_else(|| format!("no status line but {line:?}"))?
        .parse()?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return Ok((status, headers));
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn read_chunked(reader: &mut impl BufRead, consume: &mut dyn FnMut(&[u8])) -> Result<(), Failed> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size_bytes = u64::from_str_radix(line.trim(), 16)?;
        copy_exactly(reader, size_bytes, consume)?;
        line.clear();
        reader.read_line(&mut line)?;
        if size_bytes == 0 {
            return Ok(());
        }
    }
}

fn copy_exactly(
    reader: &mut impl Read,
    mut left_bytes: u64,
    consume: &mut dyn FnMut(&[u8]),
) -> Result<(), Failed> {
    let mut buffer = vec![0; 256 << 10];
    while left_bytes > 0 {
        let wanted = left_bytes.min(buffer.len() as u64) as usize;
        let n = reader.read(&mut buffer[..wanted])?;
        if n == 0 {
            return Err(format!("the answer was cut {left_bytes} bytes short").into());
        }
        consume(&buffer[..n]);
        left_bytes -= n as u64;
    }
    Ok(())
}

impl S3 {
    /// A client of the gateway on a local port.
    pub fn new(port: u16, access_key: String, secret_key: String, region: String) -> Self {
        Self {
            port,
            access_key,
            secret_key,
            region,
            silence_timeout: Duration::from_secs(SILENCE_TIMEOUT_S),
        }
    }

    /// The same client, which gives up on a gateway that says nothing for so long.
    pub fn with_silence_timeout(mut self, timeout: Duration) -> Self {
        self.silence_timeout = timeout;
        self
    }

    /// Sends the head of a request; its body follows through the exchange.
    ///
    /// # Errors
    /// When the gateway cannot be reached.
    pub fn begin(&self, request: &Request<'_>) -> Result<Exchange, Failed> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port))?;
        connection.set_nodelay(true)?;
        connection.set_read_timeout(Some(self.silence_timeout))?;
        connection.set_write_timeout(Some(self.silence_timeout))?;
        let now = jiff::Timestamp::now()
            .strftime("%Y%m%dT%H%M%SZ")
            .to_string();
        connection.write_all(self.head(request, &now).as_bytes())?;
        Ok(Exchange {
            connection,
            head_only: request.method == "HEAD",
        })
    }

    /// Sends a request with its whole body.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn send(&self, request: Request<'_>, body: &[u8]) -> Result<Answer, Failed> {
        let mut exchange = self.begin(&request.size_bytes(body.len() as u64))?;
        exchange.send(body)?;
        exchange.finish()
    }

    /// Stores an object that must be accepted.
    ///
    /// # Errors
    /// When it is not.
    pub fn put(&self, path: &str, body: &[u8]) -> Result<Answer, Failed> {
        self.send(Request::new("PUT", path), body)?.expect(200)
    }

    /// Stores a stream that must be accepted.
    ///
    /// # Errors
    /// When it is not.
    pub fn put_stream(
        &self,
        path: &str,
        size_bytes: u64,
        mut body: impl Read,
    ) -> Result<Answer, Failed> {
        let mut exchange = self.begin(&Request::new("PUT", path).size_bytes(size_bytes))?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            let n = body.read(&mut buffer)?;
            if n == 0 {
                return exchange.finish()?.expect(200);
            }
            exchange.send(&buffer[..n])?;
        }
    }

    /// Any request without a body.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn ask(&self, method: &str, path: &str) -> Result<Answer, Failed> {
        self.send(Request::new(method, path), &[])
    }

    /// Reads an object that must be there; its length and its SHA-256 in hex.
    ///
    /// # Errors
    /// When it is not there, or cut short.
    pub fn sha256(&self, path: &str) -> Result<(u64, String), Failed> {
        let mut hash = Sha256::new();
        let mut size_bytes = 0;
        self.begin(&Request::new("GET", path))?
            .finish_into(&mut |bytes| {
                size_bytes += bytes.len() as u64;
                hash.update(bytes);
            })?
            .expect(200)?;
        Ok((size_bytes, hex::encode(hash.finalize())))
    }

    /// All keys of a bucket that start with `prefix`, page by page. The keys must need no
    /// escapes in XML.
    ///
    /// # Errors
    /// When a page is not answered with 200.
    pub fn keys(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, Failed> {
        let mut keys = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut request = Request::new("GET", format!("/{bucket}"))
                .query("list-type", 2)
                .query("prefix", prefix);
            if let Some(token) = token {
                request = request.query("continuation-token", token);
            }
            let page = self.send(request, &[])?.expect(200)?;
            keys.extend(elements(&page.text(), "Key"));
            token = page.element("NextContinuationToken");
            if token.is_none() {
                return Ok(keys);
            }
        }
    }

    /// Starts a multipart upload; its id.
    ///
    /// # Errors
    /// When it is refused.
    pub fn create_upload(&self, path: &str) -> Result<String, Failed> {
        let answer = self.send(Request::new("POST", path).query("uploads", ""), &[])?;
        let id = answer.expect(200)?.element("UploadId");
        id.ok_or_else(|| "an answer without UploadId".into())
    }

    /// The request that uploads a part.
    pub fn part(path: &str, upload: &str, number: u32) -> Request<'static> {
        Request::new("PUT", path)
            .query("partNumber", number)
            .query("uploadId", upload)
    }

    /// Completes a multipart upload from the ETags of parts 1, 2, ...; it must succeed.
    ///
    /// # Errors
    /// When it does not.
    pub fn complete(&self, path: &str, upload: &str, etags: &[String]) -> Result<Answer, Failed> {
        let parts: String = etags
            .iter()
            .zip(1..)
            .map(|(etag, number)| {
                format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
            })
            .collect();
        let xml = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let request = Request::new("POST", path).query("uploadId", upload);
        let answer = self.send(request, xml.as_bytes())?.expect(200)?;
        // S3 may fail after it has begun its answer with 200.
        if answer.element("ETag").is_none() {
            return Err(format!("completed without an ETag: {}", answer.text()).into());
        }
        Ok(answer)
    }

    /// The request's first line and headers, signed for the time `now` (basic ISO 8601).
    fn head(&self, request: &Request<'_>, now: &str) -> String {
        let path = utf8_percent_encode(&request.path, PATH).to_string();
        let mut query: Vec<String> = request
            .query
            .iter()
            .map(|(name, value)| {
                let name = utf8_percent_encode(name, QUERY);
                format!("{name}={}", utf8_percent_encode(value, QUERY))
            })
            .collect();
        query.sort();
        let query = query.join("&");
        let mut headers = request.headers.clone();
        headers.push(("host".to_owned(), format!("127.0.0.1:{}", self.port)));
        headers.push((
            "x-amz-content-sha256".to_owned(),
            "UNSIGNED-PAYLOAD".to_owned(),
        ));
        headers.push(("x-amz-date".to_owned(), now.to_owned()));
        headers.sort();
        let lines: String = headers.iter().map(|(n, v)| format!("{n}:{v}\n")).collect();
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let method = request.method;
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD");
        let day = &now[..8];
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let hash = hex::encode(Sha256::digest(canonical));
        let signature = self.signature(day, &format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{hash}"));
        let mut head = format!("{method} {path}");
        if !query.is_empty() {
            head += &format!("?{query}");
        }
        head += " HTTP/1.1\r\n";
        for (name, value) in &headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!(
            "authorization: AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, \
             Signature={signature}\r\n",
            self.access_key
        );
        head + &format!(
            "content-length: {}\r\nconnection: close\r\n\r\n",
            request.size_bytes
        )
    }

    fn signature(&self, day: &str, text: &str) -> String {
        let mut key = format!("AWS4{}", self.secret_key).into_bytes();
        for part in [day, &self.region, "s3", "aws4_request", text] {
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length is a key");
            mac.update(part.as_bytes());
            key = mac.finalize().into_bytes().to_vec();
        }
        hex::encode(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_matches_the_documented_example() {
        // "Signature calculations: examples" of the S3 documentation, the GET of a lifecycle.
        let client = S3::new(
            1,
            "AKIAIOSFODNN7EXAMPLE".to_owned(),
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            "us-east-1".to_owned(),
        );
        let text = "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n\
                    9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca";
        assert_eq!(
            client.signature("20130524", text),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        );
    }

    #[test]
    fn elements_are_found_in_order() {
        let xml = "<a><Key>1</Key><b/><Key>2</Key></a>";
        assert_eq!(elements(xml, "Key"), ["1", "2"]);
    }

    #[test]
    fn chunked_answers_are_joined() {
        let mut all = Vec::new();
        read_chunked(&mut &b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"[..], &mut |b| {
            all.extend_from_slice(b);
        })
        .unwrap();
        assert_eq!(all, b"abcde");
    }
}
