"""Compares hosts that the proxy example has for services with those of botocore.

Arguments: SERVICE/REGION=HOST, by the names in the scope of a signature.
"""

import sys

import botocore.session
from botocore.config import Config

# Clients that sign for a service of that list, and are not what is meant by it.
NOT_MEANT = {"dynamodbstreams", "eventbridgev2", "iam-toolbox", "mailmanager", "s3control"}
# S3 has an older host beside that of us-east-1.
REGIONAL = Config(s3={"us_east_1_regional_endpoint": "regional"})

session = botocore.session.get_session()
hosts = {}
for argument in sys.argv[1:]:
    scope, _, host = argument.partition("=")
    service, _, region = scope.partition("/")
    hosts.setdefault(service, {})[region] = host
seen = set()
compared = different = 0
for name in session.get_available_services():
    service = session.get_service_model(name).signing_name
    if name in NOT_MEANT:
        continue
    for region, host in hosts.get(service, {}).items():
        seen.add(service)
        client = session.create_client(
            name, region, config=REGIONAL, aws_access_key_id="a", aws_secret_access_key="b"
        )
        compared += 1
        if client.meta.endpoint_url != f"https://{host}":
            different += 1
            print(f"{name} in {region}: {client.meta.endpoint_url} is not {host}")
for service in hosts.keys() - seen:
    different += 1
    print(f"there is no client for {service}")
print(f"compared {compared}, different {different}")
