"""Temporary credentials: of users, of roles, and of the bearers of an identity provider's tokens."""

import base64
import contextlib
import http.server
import json
import threading
import time
import urllib.request

# awscli brings it.
import rsa
from people import (
    allow,
    code_of,
    connect,
    document,
    name,
    other_root,
    person,
    role,
    root,
    session,
    someone,
    soon,
    trust,
)
from support import refused


def test_everybody_learns_who_they_are(t):
    me = root(t, "sts").get_caller_identity()
    assert me["Arn"] == f"arn:aws:iam::{me['Account']}:root"
    assert me["UserId"] == me["Account"]
    main = person("sts", t.other_url, "RIQUET").get_caller_identity()
    assert main["Arn"] == f"arn:aws:iam::{me['Account']}:user/main"
    with someone(root(t)) as user:
        found = user.at(t.other_url, "sts").get_caller_identity()
        assert (found["Arn"], found["UserId"]) == (user.arn, user.id)


def test_a_users_session_may_what_the_user_may_but_not_iam(t):
    bucket = t.bucket()
    sts = person("sts", t.url, "RIQUET")
    credentials = sts.get_session_token(DurationSeconds=900)["Credentials"]
    s3 = session(credentials, t.other_url)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert t.get(bucket, "k") == b"x"
    for version in ["s3", "s3v4"]:
        key, secret = credentials["AccessKeyId"], credentials["SecretAccessKey"]
        token = credentials["SessionToken"]
        s3 = connect("s3", t.url, key, secret, token, signature_version=version)
        assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == 1
        url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"x"
    with refused("InvalidClientTokenId", 403):
        session(credentials, t.url, "iam").get_user()
    with refused("AccessDenied", 403):
        session(credentials, t.url, "sts").get_session_token()
    # The token is part of the credentials, and no other fits them.
    assert code_of(connect("s3", t.url, key, secret).list_buckets) == "InvalidAccessKeyId"
    other = sts.get_session_token()["Credentials"]["SessionToken"]
    assert code_of(connect("s3", t.url, key, secret, other).list_buckets) == "InvalidToken"
    assert code_of(connect("s3", t.url, key, secret, "AAAA").list_buckets) == "InvalidToken"


def test_a_role_is_assumed_by_whom_it_trusts(t):
    iam, bucket = root(t), t.bucket_name()
    root(t, "s3").create_bucket(Bucket=bucket)
    account = root(t, "sts").get_caller_identity()["Account"]
    with someone(iam) as user, someone(iam) as other:
        sts = user.at(t.other_url, "sts")
        with role(iam, trust({"AWS": user.arn}), allow("s3:ListBucket")) as made:
            assume = lambda sts, **more: sts.assume_role(
                RoleArn=made["Arn"], RoleSessionName="me", **more
            )
            assumed = assume(sts)
            assert assumed["AssumedRoleUser"]["AssumedRoleId"] == f"{made['RoleId']}:me"
            credentials = assumed["Credentials"]
            who = session(credentials, t.url, "sts").get_caller_identity()
            assert who["UserId"] == f"{made['RoleId']}:me"
            assert who["Arn"] == assumed["AssumedRoleUser"]["Arn"]
            s3 = session(credentials, t.url)
            s3.list_objects(Bucket=bucket)
            with refused("AccessDenied", 403):
                s3.put_object(Bucket=bucket, Key="k", Body=b"")
            with refused("AccessDenied", 403):
                assume(other.at(t.url, "sts"))
            with refused("AccessDenied", 403):
                assume(root(t, "sts"))
            with refused("ValidationError", 400):
                assume(sts, DurationSeconds=7200)
            # A deny of one's own counts.
            user.may({"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": "*"})
            soon(lambda: assume(sts), "AccessDenied")
        # A role that is gone takes its sessions along, also when another gets its name.
        soon(lambda: s3.list_objects(Bucket=bucket), "InvalidToken")
        iam.create_role(RoleName=made["RoleName"], AssumeRolePolicyDocument=trust({"AWS": account}))
        try:
            soon(lambda: s3.list_objects(Bucket=bucket), "InvalidToken")
        finally:
            iam.delete_role(RoleName=made["RoleName"])


def test_an_account_that_is_trusted_passes_it_on(t):
    iam = root(t)
    with someone(other_root(t)) as user:
        account = user.at(t.url, "sts").get_caller_identity()["Account"]
        condition = {"StringEquals": {"sts:ExternalId": "secret"}}
        with role(iam, trust({"AWS": account}, Condition=condition), allow("s3:*")) as made:
            sts = user.at(t.url, "sts")
            assume = lambda **more: sts.assume_role(
                RoleArn=made["Arn"], RoleSessionName="me", **more
            )
            soon(lambda: assume(ExternalId="secret"), "AccessDenied")
            user.may(allow("sts:AssumeRole"))
            soon(lambda: assume(ExternalId="secret"), None)
            assert code_of(assume) == "AccessDenied"
            assert code_of(lambda: assume(ExternalId="other")) == "AccessDenied"


def test_a_session_is_narrowed(t):
    iam = root(t)
    one, two = t.bucket_name(), t.bucket_name()
    for bucket in (one, two):
        root(t, "s3").create_bucket(Bucket=bucket)
    with someone(iam) as user, role(iam, trust({"AWS": user.arn}), allow("s3:*")) as made:
        sts = user.at(t.url, "sts")
        narrowed = sts.assume_role(
            RoleArn=made["Arn"],
            RoleSessionName="me",
            Policy=document(allow("s3:*", resource=f"arn:aws:s3:::{one}*")),
        )
        assert narrowed["PackedPolicySize"] > 0
        s3 = session(narrowed["Credentials"], t.other_url)
        s3.put_object(Bucket=one, Key="k", Body=b"")
        with refused("AccessDenied", 403):
            s3.put_object(Bucket=two, Key="k", Body=b"")
        reader = sts.assume_role(
            RoleArn=made["Arn"],
            RoleSessionName="me",
            PolicyArns=[{"arn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}],
        )
        s3 = session(reader["Credentials"], t.other_url)
        s3.get_object(Bucket=one, Key="k")
        with refused("AccessDenied", 403):
            s3.delete_object(Bucket=one, Key="k")
        # What a bucket's owner says to this very session holds though it was narrowed to less.
        deletes = allow("s3:DeleteObject", resource=f"arn:aws:s3:::{one}/*")
        deletes["Principal"] = {"AWS": reader["AssumedRoleUser"]["Arn"]}
        root(t, "s3").put_bucket_policy(Bucket=one, Policy=document(deletes))
        soon(lambda: s3.delete_object(Bucket=one, Key="k"), None)
        with refused("MalformedPolicyDocument", 400):
            sts.assume_role(RoleArn=made["Arn"], RoleSessionName="me", Policy="{}")


def test_tags_of_a_session_are_its_principals(t):
    iam, bucket = root(t), t.bucket_name()
    root(t, "s3").create_bucket(Bucket=bucket)
    blue = {"StringEquals": {"aws:PrincipalTag/team": "blue"}}
    with someone(iam) as user:
        actions = ("sts:AssumeRole", "sts:TagSession")
        trusted = trust({"AWS": user.arn}, *actions)
        with role(iam, trusted, allow("s3:ListBucket", Condition=blue)) as made:
            sts = user.at(t.url, "sts")
            for team, code in (("blue", None), ("red", "AccessDenied")):
                tags = [{"Key": "team", "Value": team}]
                assumed = sts.assume_role(RoleArn=made["Arn"], RoleSessionName="me", Tags=tags)
                s3 = session(assumed["Credentials"], t.other_url)
                assert code_of(lambda: s3.list_objects(Bucket=bucket)) == code
        with role(iam, trust({"AWS": user.arn})) as made, refused("AccessDenied", 403):
            sts.assume_role(RoleArn=made["Arn"], RoleSessionName="me", Tags=tags)


class Issuer:
    """An identity provider on this machine."""

    def __init__(self):
        self.public, self.private = rsa.newkeys(2048)
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                known = {
                    "/realm/.well-known/openid-configuration": {
                        "issuer": issuer.url,
                        "jwks_uri": f"{issuer.url}/keys",
                    },
                    "/realm/keys": {"keys": [issuer.jwk()]},
                }
                found = known.get(self.path)
                self.send_response(200 if found else 404)
                self.end_headers()
                self.wfile.write(json.dumps(found).encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/realm"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def jwk(self):
        number = lambda it: encode(it.to_bytes((it.bit_length() + 7) // 8, "big"))
        n, e = number(self.public.n), number(self.public.e)
        return {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": n, "e": e}

    def token(self, private=None, header=(), **claims):
        now = int(time.time())
        said = {"iss": self.url, "sub": "ada", "aud": "app", "iat": now, "exp": now + 600}
        said |= claims
        head = {"alg": "RS256", "typ": "JWT", "kid": "1"} | dict(header)
        text = ".".join(encode(json.dumps(part).encode()) for part in (head, said))
        signature = rsa.sign(text.encode(), private or self.private, "SHA-256")
        return f"{text}.{encode(signature)}"


def encode(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@contextlib.contextmanager
def provider(iam, **more):
    """An identity provider, registered."""
    issuer = Issuer()
    made = iam.create_open_id_connect_provider(Url=issuer.url, **more)
    issuer.arn = made["OpenIDConnectProviderArn"]
    try:
        yield issuer
    finally:
        iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=issuer.arn)
        issuer.server.shutdown()


def test_a_token_of_a_provider_is_exchanged(t):
    iam, bucket = root(t), t.bucket_name()
    root(t, "s3").create_bucket(Bucket=bucket)
    action = "sts:AssumeRoleWithWebIdentity"
    with provider(iam, ClientIDList=["app"]) as issuer:
        plain = issuer.url.removeprefix("http://")
        asked = {"StringEquals": {f"{plain}:sub": "ada", f"{plain}:aud": "app"}}
        trusted = trust({"Federated": issuer.arn}, action, Condition=asked)
        with role(iam, trusted, allow("s3:ListBucket")) as made:
            # At either gateway, and without any other credentials.
            def exchange(token, url=t.url):
                sts = connect("sts", url, "none", "none")
                return sts.assume_role_with_web_identity(
                    RoleArn=made["Arn"], RoleSessionName="ada", WebIdentityToken=token
                )

            for url in (t.url, t.other_url):
                exchanged = exchange(issuer.token(), url)
                assert exchanged["SubjectFromWebIdentityToken"] == "ada"
                assert exchanged["Audience"] == "app"
                assert exchanged["Provider"] == issuer.arn
                s3 = session(exchanged["Credentials"], t.other_url)
                s3.list_objects(Bucket=bucket)
                with refused("AccessDenied", 403):
                    s3.put_object(Bucket=bucket, Key="k", Body=b"")

            now = int(time.time())
            foreign = rsa.newkeys(2048)[1]
            unsigned = issuer.token(header={"alg": "none"}).rsplit(".", 1)[0] + "."
            for token, code in (
                (issuer.token(exp=now - 300), "ExpiredTokenException"),
                (issuer.token(nbf=now + 300), "InvalidIdentityToken"),
                (issuer.token(private=foreign), "InvalidIdentityToken"),
                (issuer.token(header={"kid": "2"}), "InvalidIdentityToken"),
                (issuer.token(header={"alg": "HS256"}), "InvalidIdentityToken"),
                (unsigned, "InvalidIdentityToken"),
                (issuer.token(aud="other"), "InvalidIdentityToken"),
                (issuer.token(iss="http://127.0.0.1:1/realm"), "InvalidIdentityToken"),
                (issuer.token(sub="bob"), "AccessDenied"),
                ("nonsense", "InvalidIdentityToken"),
            ):
                assert code_of(lambda: exchange(token)) == code, token


def test_a_provider_that_is_away_is_said(t):
    iam = root(t)
    with provider(iam, ClientIDList=["app"]) as issuer:
        issuer.server.shutdown()
        issuer.server.server_close()
        trusted = trust({"Federated": issuer.arn}, "sts:AssumeRoleWithWebIdentity")
        with role(iam, trusted) as made, refused("IDPCommunicationError", 400):
            connect("sts", t.url, "none", "none").assume_role_with_web_identity(
                RoleArn=made["Arn"], RoleSessionName="ada", WebIdentityToken=issuer.token()
            )


def test_unsigned_calls_are_for_bearers_of_tokens_only(t):
    form = {"content-type": "application/x-www-form-urlencoded"}
    for body, status, code in (
        (b"Action=GetCallerIdentity&Version=2011-06-15", 403, "MissingAuthenticationToken"),
        (b"Action=GetSessionToken", 403, "MissingAuthenticationToken"),
        (b"Action=ListUsers", 400, "InvalidAction"),
        (b"Action=AssumeRoleWithWebIdentity", 400, "MissingParameter"),
        (b"", 400, "MissingAction"),
        (b"Action=" + b"x" * (1 << 20), 400, "ValidationError"),
    ):
        reply = t.raw.send("POST", "/", form, body)
        assert (reply.status, reply.code) == (status, code)
