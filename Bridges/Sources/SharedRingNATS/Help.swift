enum Help {
    static let text = """
        sharedring-nats publish RING --stream S [--subject P]
            Publishes the ring's messages to a stream of NATS JetStream: each exactly once and in order.

          --subject P           the subject; without it the stream's only one
          --subject-per-lane    P.0, P.1, … (not for a total order)
          --drain               ends when the ring is empty
          --dead-letter SUBJECT where messages go that the broker does not take (a subject of another stream)
          --republish           publishes all that the ring holds where the stream's end can't be read back
          --window N            the most messages on their way to the broker at a time (4096)
          --dir DIR             where the ring is ($SHAREDRING_DIR, else /dev/shm)

        sharedring-nats subscribe --stream S RING
            Carries a stream into a ring, which is made if it is not there: each message at least once, in order, with its sequence.

          --sequence front|tag  eight bytes in front of each message, little-endian (front), or its lowest 32 bits as the tag
          --durable NAME        the stream's consumer that keeps the position (sharedring-RING)
          --drain               ends when all that the stream has is in the ring
          --capacity BYTES      of a ring that is made
          --dir DIR             where the ring is ($SHAREDRING_DIR, else /dev/shm)

        sharedring-nats make-stream S --subject P
            Makes a stream in files, unless there is one. --subject may stand more than once; --replicas N (1).

        The broker:
          --server URL          may stand more than once, or be a list with commas (nats://127.0.0.1:4222)
          --user NAME --password-file FILE, --token-file FILE, --creds FILE, --nkey KEY --nkey-seed-file FILE
          --tls, --tls-ca FILE, --tls-cert FILE --tls-key FILE
          --js-domain NAME

        Ending, and watching:
          --grace SECONDS       how long SIGTERM and SIGINT wait for the broker's acknowledgements (10)
          --metrics FILE        Prometheus text, written anew each second
          --quiet               no line of progress on a terminal

        Exit status: 0 in order; 1 an error; 2 wrong words; 3 the broker did not acknowledge in time (the messages stay in the ring).
        """
}
