package io.github.xpstore;

import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.TlsChannelCredentials;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.EventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.epoll.Epoll;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollDomainSocketChannel;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollEventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.unix.DomainSocketAddress;
import io.grpc.netty.shaded.io.netty.util.concurrent.DefaultThreadFactory;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/** Channels to servers. */
final class Channels {
    private static final long KEEPALIVE_SECONDS = 30;

    /** A ping waits behind bytes on a thin line: 4 MiB in buffers at 64 KiB/s take a minute. */
    private static final long KEEPALIVE_TIMEOUT_SECONDS = 120;

    private Channels() {}

    /**
     * Opens a channel; the connection is made with the first call.
     *
     * @param authority null: those of Java
     */
    static ManagedChannel open(Address address, String apiKey, Path authority) {
        Metadata headers = new Metadata();
        headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + apiKey);
        NettyChannelBuilder builder = address.isSocket() ? ofSocket(address) : ofHost(address, authority);
        return builder.keepAliveTime(KEEPALIVE_SECONDS, TimeUnit.SECONDS)
                .keepAliveTimeout(KEEPALIVE_TIMEOUT_SECONDS, TimeUnit.SECONDS)
                .userAgent("xpstore-java")
                .intercept(MetadataUtils.newAttachHeadersInterceptor(headers))
                .build();
    }

    private static NettyChannelBuilder ofHost(Address address, Path authority) {
        ChannelCredentials credentials = InsecureChannelCredentials.create();
        if (address.isTls()) {
            try {
                credentials = authority == null
                        ? TlsChannelCredentials.create()
                        : TlsChannelCredentials.newBuilder().trustManager(authority.toFile()).build();
            } catch (IOException unreadable) {
                throw XpstoreException.InvalidArgument.of("authority", authority.toString(), unreadable.getMessage());
            }
        }
        return NettyChannelBuilder.forAddress(address.host(), address.port(), credentials);
    }

    private static NettyChannelBuilder ofSocket(Address address) {
        if (!Epoll.isAvailable()) {
            throw XpstoreException.InvalidArgument.of("address", "unix:" + address.host(), "this needs Linux; use host:port");
        }
        EventLoopGroup group = new EpollEventLoopGroup(1, new DefaultThreadFactory("xpstore", true));
        return NettyChannelBuilder.forAddress(new DomainSocketAddress(address.host()), InsecureChannelCredentials.create())
                .channelType(EpollDomainSocketChannel.class)
                .eventLoopGroup(group)
                .overrideAuthority("localhost");
    }
}
