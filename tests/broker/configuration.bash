# shellcheck shell=bash disable=SC2154
# The configuration of a node, for tests/broker/kafka, which sources this: `configure NODE` writes its file.
# Needs `nodes`, `port`, $listeners, $state and $certs from there.

addresses() { # NODE LISTENER...
    local node=$1 listener list=
    shift
    for listener in "$@"; do
        list+=,$listener://127.0.0.1:$(port "$node" "$listener")
    done
    echo "${list#,}"
}

quorum() {
    local node list=
    for node in $(seq "$(nodes)"); do
        list+=,$node@127.0.0.1:$(port "$node" CONTROLLER)
    done
    echo "${list#,}"
}

protocols() {
    local listener protocol list=CONTROLLER:PLAINTEXT
    for listener in "${listeners[@]}"; do
        case $listener in
        PLAINTEXT) protocol=PLAINTEXT ;;
        SASL) protocol=SASL_PLAINTEXT ;;
        SASL_TLS) protocol=SASL_SSL ;;
        *) protocol=SSL ;;
        esac
        list+=,$listener:$protocol
    done
    echo "$list,PROXIED:PLAINTEXT"
}

logins() { # LISTENER, in the lower case of property names
    local security=org.apache.kafka.common.security
    cat <<EOF
listener.name.$1.plain.sasl.jaas.config=$security.plain.PlainLoginModule required user_admin="admin-secret" user_alice="alice-secret" user_bob="bob-secret";
listener.name.$1.scram-sha-256.sasl.jaas.config=$security.scram.ScramLoginModule required;
listener.name.$1.scram-sha-512.sasl.jaas.config=$security.scram.ScramLoginModule required;
listener.name.$1.oauthbearer.sasl.jaas.config=$security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";
EOF
}

configure() { # NODE
    local count replicas in_sync
    count=$(nodes)
    replicas=$((count < 3 ? count : 3))
    in_sync=$((replicas > 1 ? 2 : 1))
    cat >"$state/node-$1/server.properties" <<EOF
process.roles=broker,controller
node.id=$1
controller.quorum.voters=$(quorum)
controller.listener.names=CONTROLLER
listeners=$(addresses "$1" CONTROLLER "${listeners[@]}" PROXIED)
advertised.listeners=$(addresses "$1" "${listeners[@]}"),PROXIED://127.0.0.1:$(port "$1" PROXY)
listener.security.protocol.map=$(protocols)
inter.broker.listener.name=PLAINTEXT
log.dirs=$state/node-$1/data

ssl.keystore.type=PEM
ssl.keystore.location=$certs/server.keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=$certs/ca.pem
listener.name.mtls.ssl.client.auth=required
listener.name.expired.ssl.keystore.location=$certs/expired.keystore.pem
listener.name.wrong_name.ssl.keystore.location=$certs/wrong-name.keystore.pem
listener.name.other_ca.ssl.keystore.location=$certs/foreign.keystore.pem
ssl.principal.mapping.rules=RULE:^.*CN=([^,]+).*$/\$1/,DEFAULT

sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
$(logins sasl)
$(logins sasl_tls)

authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:admin
allow.everyone.if.no.acl.found=false

auto.create.topics.enable=true
num.partitions=3
default.replication.factor=$replicas
min.insync.replicas=$in_sync

# Few partitions in the internal topics: the first group and the first transaction would wait for all 50.
offsets.topic.num.partitions=3
offsets.topic.replication.factor=$replicas
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$in_sync
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=$replicas
share.coordinator.state.topic.min.isr=1

# Tests do not wait for what production waits for: members, dead members, a node that comes back.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=4000
group.consumer.min.heartbeat.interval.ms=100
group.consumer.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=250

# Small: the cleaner's default buffer alone is 128 MB.
log.cleaner.dedupe.buffer.size=2097152
num.network.threads=2
num.io.threads=4
EOF
}
